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
        numbers = decoded_numbers(self._positions.get(PARTITIONS_POSITION))
        if not numbers:
            partition = self._settings.partition_of(key)
            return None if partition == self._partition else NextShard(partition, [])
        if asked is not None and self._settings.partition_under(key, asked) != self._partition:
            asked = None
        for number in numbers:
            if number >= (asked or 0) and (partition := self._settings.partition_under(key, number)) != self._partition:
                return NextShard(partition, asked_headers(number))
        return None

    def strayed(self, key: bytes) -> int | None:
        """Return the partition that a chat has now, if under no number it can be on this one."""
        numbers = decoded_numbers(self._positions.get(PARTITIONS_POSITION))
        if not numbers:
            partition = self._settings.partition_of(key)
            return None if partition == self._partition else partition
        places = [self._settings.partition_under(key, number) for number in numbers]
        return None if self._partition in places else places[-1]

    def newest(self, key: bytes) -> int:
        """Return the partition of a chat under the last number: who writes there need not know where the chat is."""
        numbers = decoded_numbers(self._positions.get(PARTITIONS_POSITION))
        return self._settings.partition_under(key, numbers[-1]) if numbers else self._settings.partition_of(key)
