"""Keys that sign: in a file, or in a PKCS #11 token."""
