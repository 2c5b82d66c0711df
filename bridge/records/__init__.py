"""Transcript events to Avro records. Pure: no I/O, no clock."""
