"""The asyncio that moves events from links into Kafka transactions."""
