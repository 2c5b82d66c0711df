"""Chat Server as a source: connections, joins, reconnects."""
