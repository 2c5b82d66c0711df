"""Third-party clients behind the small protocols that `capture` defines."""
