"""Sealing: texts of an output encrypted with a key of each chat. Pure."""
