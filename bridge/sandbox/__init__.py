"""Real servers on this machine, for the demonstration, the benchmarks and the tests.

`kafka_or_local()` and `registry_or_local()` give an address: the one from the environment, or that of a
single-node Apache Kafka or an Apicurio Registry started here. What is started here listens on 127.0.0.1
only, keeps its files in a temporary directory, and ends with the process that started it, however that ends.

Everything blocks; from asyncio, call it through `asyncio.to_thread`.
"""

from bridge.sandbox.broker import LocalBroker, LocalCluster, kafka_or_local
from bridge.sandbox.registry import LocalRegistry, registry_or_local

__all__ = ["LocalBroker", "LocalCluster", "LocalRegistry", "kafka_or_local", "registry_or_local"]
