"""Adapters of third-party libraries: Kafka client, HTTP server, schema registry, event loop, clock."""
