"""Around the server: control API, fault injection, ledger, journal, announcements."""
