"""A rolling upgrade and its way back, under load, compared with the ledgers: `python -m tests.upgrade`."""
