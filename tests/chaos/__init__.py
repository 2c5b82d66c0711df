"""Chaos runs: random faults against bridge, Kafka and Chat Servers as processes, checked by the oracle; mutation tests.

`python -m tests.chaos --seconds 300 --seed 1 --report FILE`, or `make chaos`; `python -m tests.chaos.mutants`, or
`make mutants`.
"""
