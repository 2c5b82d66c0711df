"""A simulated Chat Server: the protocol on a socket, generated or replayed chats, faults, and a ledger of all events.

Layers, each of which imports only those before it: `model`, `protocol`, `traffic`, `harness`, `main`.
"""
