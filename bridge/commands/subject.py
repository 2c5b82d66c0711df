"""`chatbridge subject`."""
