"""Master keys that wrap data keys: in files, or in a PKCS #11 token."""
