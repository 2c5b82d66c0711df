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

**A connection that is being made holds up no other one.** aiokafka's clients make one after the other. With a machine
gone that refuses nothing, all others wait for that one, as long as for any request: those to new coordinators, too.

**What every broker answers is asked of the next one, too, when one says nothing.** aiokafka draws one of those that
metadata names, and waits for it; for seconds after a broker has died, metadata still names it.

**What it logs is for a log.** In a command, which has none, Python writes warnings and errors of libraries to standard
error as they are, with texts of exceptions, before what the command says of the same. Nothing is written there; where
a log was begun (`logs.py`), as by a worker, it has the lines.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from functools import wraps
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, NoError, for_code
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.metadata import MetadataRequest

from bridge.waiting import all_ended

if TYPE_CHECKING:
    from aiokafka.client import CoordinationType
    from aiokafka.conn import AIOKafkaConnection

__all__ = ["AIOKafkaAdminClient", "AIOKafkaClient", "AIOKafkaConsumer", "AIOKafkaProducer"]

_BOOTSTRAP_MS: Final = 4_000
"""For two of three that say nothing, and to start within the ten seconds that questions have (`kept_client.py`)."""
_SILENT_SECONDS: Final = 0.5
"""Some who ask have a second in all."""
_MOST_SILENT: Final = 2
"""So many are not waited for, and one more is: who asks has no time to wait for all brokers of a cluster."""
_make = MetadataRequest.__init__
_bootstrap = AIOKafkaClient.bootstrap
_connection = AIOKafkaClient._get_conn  # noqa: SLF001
_send = AIOKafkaAdminClient._send_request  # noqa: SLF001


def _ask_only(self: MetadataRequest, topics: list[str] | None = None, _allowed: object = None) -> None:
    _make(self, topics, allow_auto_topic_creation=False)


MetadataRequest.__init__ = _ask_only
logging.getLogger("aiokafka").addHandler(logging.NullHandler())


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

_locks: Final[WeakKeyDictionary[AIOKafkaClient, defaultdict[object, asyncio.Lock]]] = WeakKeyDictionary()


@wraps(_connection)
async def _connection_alone(
    self: AIOKafkaClient, node_id: int | str | None, *, group: ConnectionGroup = ConnectionGroup.DEFAULT
) -> AIOKafkaConnection | None:
    async with _locks.setdefault(self, defaultdict(asyncio.Lock))[node_id, group]:
        return await _connection(self, node_id, group=group)


AIOKafkaClient._get_conn = _connection_alone  # noqa: SLF001
AIOKafkaClient._get_conn_lock = property(lambda _: asyncio.Lock())  # noqa: SLF001 - nobody else has it


async def answer_of_one(client: AIOKafkaClient, request: Any) -> Any:
    """Return the first answer of a broker to what every broker answers, and which asked twice does no harm.

    `client` is started. Raises what aiokafka raises, for the last one that could not be reached; NodeNotReadyError if
    metadata names none.
    """
    question = _Question(client, request)
    try:
        return await question.answer()
    finally:
        await question.end()


class _Question:
    """One request: the next broker is asked as well when one says nothing, and the first answer counts.

    On a slow network that is the answer of one that seemed to be silent.
    """

    def __init__(self, client: AIOKafkaClient, request: Any) -> None:
        self._client = client
        self._request = request
        self._left: list[int | None] = [broker.nodeId for broker in client.cluster.brokers()] or [None]
        random.shuffle(self._left)
        self._asked: list[asyncio.Task[Any]] = []
        self._failed: KafkaError = NodeNotReadyError("no broker could be asked")

    async def answer(self) -> Any:
        now, silent = asyncio.get_running_loop().time, 0
        newest, began = self._ask_next(), now()
        while under_way := [one for one in self._asked if not one.done()]:
            patience = _SILENT_SECONDS if self._left and silent < _MOST_SILENT else None
            ended, _ = await asyncio.wait(under_way, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for one in ended:
                if self._answered(one):
                    return one.result()
            if ended and not newest.done():
                continue  # one that was asked before
            silent += not ended or now() - began > _SILENT_SECONDS
            if silent > _MOST_SILENT:
                self._left.clear()
            if self._left:
                newest, began = self._ask_next(), now()
        raise self._failed

    async def end(self) -> None:
        """Give up what is under way; the connections on which it was sent stay."""
        for one in self._asked:
            one.cancel()
        await all_ended(self._asked)
        for one in self._asked:
            if not one.cancelled():
                one.exception()  # nobody asks for it any more

    def _ask_next(self) -> asyncio.Task[Any]:
        self._asked.append(asyncio.create_task(self._client.send(self._left.pop(), self._request)))
        return self._asked[-1]

    def _answered(self, one: asyncio.Task[Any]) -> bool:
        """Return whether there is an answer. Raises the error of a broker that was reached."""
        error = one.exception()
        if isinstance(error, NodeNotReadyError | KafkaConnectionError):
            self._failed = error
        elif error is not None:
            raise error
        return error is None


async def _found_by_any(self: AIOKafkaClient, coordinator_type: CoordinationType, coordinator_key: str) -> int:
    """With KafkaConnectionError aiokafka's producers would end; with NodeNotReadyError they ask again."""
    try:
        response = await answer_of_one(self, FindCoordinatorRequest(coordinator_key, coordinator_type))
    except KafkaConnectionError as failed:
        raise NodeNotReadyError(str(failed)) from failed
    if (error := for_code(response.error_code)) is not NoError:
        raise error
    return int(response.coordinator_id)


async def _sent_to_any(self: AIOKafkaAdminClient, request: Any, node_id: int | None = None) -> Any:
    """Relies on `AIOKafkaAdminClient._client`."""
    return await (_send(self, request, node_id) if node_id is not None else answer_of_one(self._client, request))


AIOKafkaClient.coordinator_lookup = _found_by_any
AIOKafkaAdminClient._send_request = _sent_to_any  # noqa: SLF001
