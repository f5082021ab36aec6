"""Metrics of generators: Fréchet and kernel distance, precision and recall, nearest neighbours, and quality."""
