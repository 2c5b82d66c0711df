"""What surrounds the simulated server: control API, fault injection, ledger, journal, announcements."""
