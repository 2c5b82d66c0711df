"""What makes records evidence for others: signatures, a Merkle tree over certificates, signed heads, proofs. Pure."""
