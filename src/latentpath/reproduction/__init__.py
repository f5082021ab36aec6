"""The experiments of the paper, again: solved pairs, every figure, every claim with its numbers, and the report."""
