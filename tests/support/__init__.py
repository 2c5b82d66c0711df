"""The whole line as real processes, for integration tests and benchmarks, and the oracle that judges what came out."""
