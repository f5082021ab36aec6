"""The figures of the paper: what each shows, and how it is laid out."""
