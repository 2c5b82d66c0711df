"""Where else a shard has to look for a chat that it does not know, before it may open it. Pure.

What is about such a chat goes to its partition under the first number of partitions, from there to that under the
second one, and so on; the shard under the last one opens it. Each says in the record under which number it asks. So a
chat has one owner, whoever announces it where, and however late a shard hears of a new number: `tests/growth` has the
model. A shard that knows the chat keeps it. Where the topics had one number only, a chat has one partition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bridge.capture.partition_numbers import PARTITIONS_POSITION, asked_headers, decoded_numbers

if TYPE_CHECKING:
    from bridge.capture.ports import Headers
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.capture.shard_positions import ShardPositions


class NextShard(NamedTuple):
    """The partition that is to be asked next, and the headers of what goes there."""

    partition: int
    headers: Headers


class ChatRoutes:
    """The routes of one store; the numbers of partitions that it goes by are among its positions."""

    def __init__(self, partition: int, settings: SessionStoreSettings, positions: ShardPositions) -> None:
        """`positions` are the store's own."""
        self._partition = partition
        self._settings = settings
        self._positions = positions

    def elsewhere(self, key: bytes, asked: int | None) -> NextShard | None:
        """Return who is to be asked about a chat that is not known here; None: it is to be opened here.

        `asked` is the number in the record's headers. One whose partition is not this one was not written by a shard,
        nor was one where the topics had one number only: who may write announcements could have two shards open a chat.
        """
        least = asked or 0
        if least and self._settings.partition_under(key, least) != self._partition:
            least = 0
        for number, partition in self._places(key):
            if partition != self._partition and (number is None or number >= least):
                return NextShard(partition, [] if number is None else asked_headers(number))
        return None

    def strayed(self, key: bytes) -> int | None:
        """Return the partition that a chat has now, if under no number it can be on this one."""
        places = [partition for _, partition in self._places(key)]
        return None if self._partition in places else places[-1]

    def newest(self, key: bytes) -> int:
        """Return the partition of a chat under the last number: who writes there need not know where the chat is."""
        return self._places(key)[-1][1]

    def _places(self, key: bytes) -> list[tuple[int | None, int]]:
        """Return each number and the partition of a chat under it; None: the topics had one number only."""
        numbers = decoded_numbers(self._positions.get(PARTITIONS_POSITION))
        under = self._settings.partition_under
        return [(number, under(key, number)) for number in numbers] or [(None, self._settings.partition_of(key))]
