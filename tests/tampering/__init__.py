"""What becomes of topics and files that somebody has tampered with: each way is found, or named in docs/verify.md."""
