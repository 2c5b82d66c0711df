"""A Chat Server to talk to: speaks the wire, plays scenarios, keeps a ledger of what it really said."""
