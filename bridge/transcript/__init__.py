"""The model of a chat and the fold, whatever source it came from. Pure: no I/O, no clock, no randomness."""
