"""Time stamps of a third party (RFC 3161): asking for them, and checking them."""
