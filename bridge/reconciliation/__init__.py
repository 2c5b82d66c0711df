"""Compares what was captured of a chat with what is stored of it. Pure: no I/O, no clock."""
