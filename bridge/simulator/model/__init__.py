"""The model of a Chat Server: sessions, parties, events, idle timers, restoration. No sockets, no clock."""
