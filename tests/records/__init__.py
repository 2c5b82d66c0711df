"""The records: encoding, chain, redaction, verification."""
