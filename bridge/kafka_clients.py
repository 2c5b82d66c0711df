"""aiokafka's clients, for everything in the bridge that makes one: what they do otherwise, whoever makes them.

**None has a topic created by asking for it.** A broker with `auto.create.topics.enable`, Kafka's default, creates a
topic that a Metadata request names, unless the request says that it must not, which it can since Kafka 0.11 (version
4). A worker whose topic was deleted goes on to write, to read and to add partitions to transactions: by none of that
was one seen to come back (tests/integration/test_topics_not_created.py). aiokafka leaves it to the broker and has no
setting for it. Here its request says no, in the whole process; what relies on this imports the clients from here, and
nothing else may import them from aiokafka (tests/architecture/test_imported_clients.py).

**A bootstrap server that says nothing is passed over within seconds.** Each client begins with one that it draws, and
would wait for it as long as for any request: with one machine of three gone, every third start took half a minute, and
a worker that opens its producer holds up all its shards meanwhile. Only if nobody answers so soon, as over a very slow
network, all are asked again, with the time that a request has, as far as whoever waits has so much: questions have ten
seconds, so that two servers that take more than four seconds each are not waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, NoError, for_code
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.metadata import MetadataRequest

if TYPE_CHECKING:
    from aiokafka.client import CoordinationType

__all__ = ["AIOKafkaAdminClient", "AIOKafkaClient", "AIOKafkaConsumer", "AIOKafkaProducer"]

_BOOTSTRAP_MS: Final = 4_000
"""For two of three that say nothing, and to start within the ten seconds that questions have (`kept_client.py`)."""
_SILENT_SECONDS: Final = 0.5
"""Some who ask have a second in all. On a network that is slower, the last broker that is asked answers."""
_MOST_SILENT: Final = 2
"""So many are passed over that say nothing: who asks has no time to wait for all brokers of a cluster."""
_make = MetadataRequest.__init__
_bootstrap = AIOKafkaClient.bootstrap
_send = AIOKafkaAdminClient._send_request  # noqa: SLF001


def _ask_only(self: MetadataRequest, topics: list[str] | None = None, _allowed: object = None) -> None:
    _make(self, topics, allow_auto_topic_creation=False)


MetadataRequest.__init__ = _ask_only


@wraps(_bootstrap)
async def _bootstrap_soon(self: AIOKafkaClient) -> None:
    """Relies on `AIOKafkaClient._request_timeout_ms`, which is the time that `bootstrap` gives each server."""
    now, patience = asyncio.get_running_loop().time, self._request_timeout_ms
    began, self._request_timeout_ms = now(), min(patience, _BOOTSTRAP_MS)
    try:
        await _bootstrap(self)
    except KafkaConnectionError:
        if now() - began < self._request_timeout_ms / 1000:
            raise  # nobody was silent: all refused
        self._request_timeout_ms = patience
        await _bootstrap(self)
    finally:
        self._request_timeout_ms = patience


AIOKafkaClient.bootstrap = _bootstrap_soon


async def answer_of_one(client: AIOKafkaClient, request: Any) -> Any:
    """Return the answer of one broker to what every broker answers, and which asked twice does no harm.

    `client` is started. Raises what aiokafka raises, for the last one that was asked; NodeNotReadyError if metadata
    names none.
    """
    nodes = [broker.nodeId for broker in client.cluster.brokers()]
    random.shuffle(nodes)
    silent = 0
    for node in nodes[:-1]:
        with contextlib.suppress(NodeNotReadyError, KafkaConnectionError):
            try:
                async with asyncio.timeout(_SILENT_SECONDS if silent < _MOST_SILENT else None):
                    return await client.send(node, request)
            except TimeoutError:
                silent += 1
    return await client.send(nodes[-1] if nodes else None, request)


async def _found_by_any(self: AIOKafkaClient, coordinator_type: CoordinationType, coordinator_key: str) -> int:
    response = await answer_of_one(self, FindCoordinatorRequest(coordinator_key, coordinator_type))
    if (error := for_code(response.error_code)) is not NoError:
        raise error
    return int(response.coordinator_id)


async def _sent_to_any(self: AIOKafkaAdminClient, request: Any, node_id: int | None = None) -> Any:
    """Relies on `AIOKafkaAdminClient._client`."""
    return await (_send(self, request, node_id) if node_id is not None else answer_of_one(self._client, request))


AIOKafkaClient.coordinator_lookup = _found_by_any
AIOKafkaAdminClient._send_request = _sent_to_any  # noqa: SLF001
