"""Stored transcripts: reader and writer of the `chatTranscript` XML. Pure: no I/O, no clock."""
