"""`make bench ARGS=peers`: the same JSON lines through the bridge and through what else brings lines to Kafka."""
