"""Chat Server's protocol: messages, ClientVersion table, conversation, JSON line wire. Pure: no I/O, no clock."""
