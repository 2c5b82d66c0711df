"""Benchmarks: `python -m tests.bench`. Figures and ratios, never assertions."""
