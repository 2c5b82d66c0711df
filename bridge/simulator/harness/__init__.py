"""Around the simulator: control API, faults, ledger, journal, announcer."""
