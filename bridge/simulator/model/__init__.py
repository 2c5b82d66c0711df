"""The simulated chats: sessions, parties, idle timers, restoration."""
