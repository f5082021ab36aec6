"""The benchmarks of latentpath: ``python -m benchmarks --help``."""

PARTS = ("convergence", "overhead", "memory", "growth", "throughput")
