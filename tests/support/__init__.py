"""Shared by integration tests, chaos runs and benchmarks: processes, Kafka tools, comparison with the ledger."""
