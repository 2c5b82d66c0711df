"""A request that aiokafka lacks: what has become of the transaction of a transactional id.

DescribeTransactions, version 0 (Kafka 3.0, KIP-664), is answered by the coordinator of the id, and needs the right to
describe the id, which that to write with it implies. `send` raises NotImplementedError where the broker does not know
it. Source of the layout: Kafka's DescribeTransactionsRequest.json and DescribeTransactionsResponse.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import CoordinationType
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient

_DESCRIBE: Final = 65
_VERSION: Final = 0
_NOT_FOUND: Final = 105
"""TRANSACTIONAL_ID_NOT_FOUND, which aiokafka does not know. Kafka forgets an id that nobody uses, after a week."""
_NOTHING: Final = "Empty"


class _TransactionsResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = _DESCRIBE
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "transaction_states",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", CompactString("utf-8")),
                ("transaction_state", CompactString("utf-8")),
                ("transaction_timeout_ms", Int32),
                ("transaction_start_time_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                (
                    "topics",
                    CompactArray(
                        ("topic", CompactString("utf-8")),
                        ("partitions", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _TransactionsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = _DESCRIBE
    API_VERSION = _VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _TransactionsResponse
    SCHEMA = Schema(("transactional_ids", CompactArray(CompactString("utf-8"))), ("tags", TaggedFields))


class DescribeTransactionsRequest(Request[_TransactionsStruct]):  # type: ignore[misc]
    """Asks about one transactional id."""

    API_KEY: ClassVar[int] = _DESCRIBE

    def __init__(self, transactional_id: str) -> None:
        """`transactional_id` need not be known to Kafka: the answer has a code then."""
        self._transactional_id = transactional_id

    def build(self, request_struct_class: type[Any]) -> Any:
        """Return the request in the one version that there is."""
        return request_struct_class([self._transactional_id], {})


class FoundTransaction(NamedTuple):
    """The last transaction of an id. `state` as Kafka names it: Empty, Ongoing, PrepareAbort, CompleteCommit and so on.

    `epoch`: Kafka's id of the producer, and its epoch; when Kafka aborts a transaction by itself, the epoch is raised.
    `places`: its partitions that are not marked, of topics that this client may describe.
    """

    state: str
    epoch: tuple[int, int]
    places: frozenset[TopicPartition]

    @property
    def aborted(self) -> bool:
        """Whether it is decided that the transaction is aborted, and not marked on all partitions."""
        return self.state == "PrepareAbort"

    @property
    def committed(self) -> bool:
        """Whether it is decided that the transaction is committed, and not marked on all partitions."""
        return self.state == "PrepareCommit"


async def last_transaction(client: AIOKafkaClient, transactional_id: str) -> FoundTransaction:
    """Return what has become of the last transaction of an id.

    Raises what aiokafka raises, NotImplementedError where the coordinator does not know the request.
    """
    coordinator = await client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
    response = await client.send(coordinator, DescribeTransactionsRequest(transactional_id))
    [(code, _, state, _, _, producer, epoch, topics, _)] = response.transaction_states
    if code == _NOT_FOUND:
        return FoundTransaction(_NOTHING, (-1, -1), frozenset())
    if code:
        raise for_code(code)
    places = frozenset(TopicPartition(topic, one) for topic, partitions, _ in topics for one in partitions)
    return FoundTransaction(str(state), (producer, epoch), places)
