"""Keys that sign: in a file, for now."""
