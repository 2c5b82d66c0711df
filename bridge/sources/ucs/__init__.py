"""Stored transcripts of Universal Contact Server, read from the tables of its database by SQL."""
