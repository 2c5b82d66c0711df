"""Random faults for a set time against the whole line as processes, with the oracle at the end; and its mutation check.

`python -m tests.chaos --seconds 300 --seed 1 --report FILE`, or `make chaos`; `python -m tests.chaos.mutants`, or
`make mutants`.
"""
