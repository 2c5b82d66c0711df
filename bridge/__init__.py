"""Chat transcripts from Genesys Chat Server to Apache Kafka, with nothing lost and nothing disturbed."""

__version__ = "0.2.0"
