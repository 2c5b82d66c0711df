"""Everything that uses Kafka, through aiokafka: consumer, producers, topics, reader."""
