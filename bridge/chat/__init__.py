"""What is said between a Chat Server and its clients, whatever wire carries it. Pure: no I/O, no clock."""
