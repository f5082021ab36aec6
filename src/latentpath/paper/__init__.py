"""The reproduction of the paper: solved pairs, every figure, every claim with its verdict, and the report."""
