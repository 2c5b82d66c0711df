"""The data keys of one shard's chats: new ones, and those on its partition of the topic of keys.

Whatever is sealed is decided without waiting (`DataKeys`). So a new key is random bytes, which are wrapped only in the
second step of the commit; its record is written by the transaction that opens the chat, and in any case by that of the
first record that is sealed with it. What lies on the topic is wrapped: before a fold, `ready` unwraps the keys of those
chats that its inputs are about, and of others that it may begin in an output. A record without a value has a key that
is not wrapped yet: it is never written.

After a failed commit, the topic tells which keys are there. One that was not written is kept for what is decided again;
nonces are no reason not to (`sealing/chat_seal.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.capture.inbox import chats_of
from bridge.capture.ports import Outgoing
from bridge.capture.stored_inputs import ErasureRequested, StoredRead
from bridge.sealing.chat_seal import ChatSeal
from bridge.sealing.data_keys import key_record, name_of_partition, parsed_key_record
from bridge.transcript.updates import QuarantinedInput

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from bridge.capture.inbox import Input
    from bridge.capture.ports import Batch, ShardLogs
    from bridge.records.shard_facts import LogMark
    from bridge.sealing.data_keys import KeyWrapper

KIND: Final = "keys"
"""The kind of the topic of keys, among those whose logs a shard looks at."""
_SPARE: Final = 1_024
"""How many keys may stay unwrapped beside twice those of the chats that are here."""
_NOT_WRAPPED: Final = b""


class ShardKeys:
    """The `DataKeys` of one shard. Memory: some 300 bytes for each chat that has a key on the partition."""

    def __init__(self, partition: int, topic: str, wrapper: KeyWrapper, new_key: Callable[[], bytes]) -> None:
        """`new_key` returns KEY_BYTES random bytes that nobody can guess."""
        self.topic = topic
        self._partition = partition
        self._wrapper = wrapper
        self._new_key = new_key
        self._stored: dict[str, bytes] = {}
        self._new: dict[str, bytes] = {}  # not known to be on the topic
        self._destroyed: set[str] = set()  # by records that are not known to be on the topic
        self._seals: dict[str, ChatSeal] = {}
        self._of_partition = name_of_partition(partition)
        self._read: tuple[bytes, int] = (b"", 0)
        self._again = False

    # --- what is sealed ------------------------------------------------------------------------------------------

    def seal_of(self, session_id: str) -> ChatSeal:
        """Return the seal of a chat; its key is a new one if it has none."""
        seal = self._seals.get(session_id)
        if seal is None:
            if session_id in self._stored and session_id not in self._destroyed:
                raise RuntimeError("a key that was not made ready")  # another one would replace it
            self._new[session_id] = key = self._new_key()
            seal = self._seals[session_id] = ChatSeal(session_id, key)
        return seal

    def seal_of_input(self, session_id: str | None) -> ChatSeal:
        """Return the seal of quarantined input: that of a chat that has a key, else that of the partition.

        So a peer cannot make keys by inventing chats.
        """
        return self.seal_of(session_id if session_id is not None and session_id in self._seals else self._of_partition)

    # --- the steps of a transaction ------------------------------------------------------------------------------

    async def ready(self, inputs: Iterable[Input], others: Iterable[str] = ()) -> None:
        """Unwrap what folding these inputs may need, and keys of `others`. Raises SealingFailed, VerificationFailed."""
        names = dict.fromkeys([self._of_partition, *_chats_of(inputs), *others])
        missing = [name for name in names if name in self._stored and name not in self._seals]
        if missing:
            keys = await self._wrapper.unwrap([parsed_key_record(name, self._stored[name]) for name in missing])
            for name, key in zip(missing, keys, strict=True):
                self._seals[name] = ChatSeal(name, key)

    def add(self, batch: Batch) -> None:
        """Add the records of new keys to what a fold decided, and of all if the topic has lost them."""
        if self._again:
            kept = [name for name in self._stored if name not in self._destroyed]
            batch.records += [self._record(name, self._stored[name]) for name in kept]
        batch.records += [self._record(name, _NOT_WRAPPED) for name in self._new]

    async def wrap(self, batch: Batch) -> None:
        """Complete the records of new keys. Raises SealingFailed."""
        records = {one.key.decode(): one for one in batch.on(self.topic) if one.value == _NOT_WRAPPED}
        if records:
            for key in await self._wrapper.wrap([(name, self._new[name]) for name in records]):
                records[key.name].value = key_record(key)

    def settled(self, batch: Batch, chats: Collection[str]) -> None:
        """Take a batch for committed; `chats` are those that the shard has in memory."""
        for record in batch.on(self.topic):
            name = record.key.decode()
            if record.value is None:
                self._stored.pop(name, None)
                self._destroyed.discard(name)
            else:
                self._stored[name] = record.value
                self._new.pop(name, None)
        if len(batch):
            self._again = False
        if len(self._seals) > 2 * len(chats) + _SPARE:
            self._seals = {name: seal for name, seal in self._seals.items() if name in chats or name in self._new}

    def forget(self, session_id: str) -> Outgoing:
        """Return the record that destroys the key of a chat: it seals nothing more, and another one may follow it."""
        self._destroyed.add(session_id)
        self._new.pop(session_id, None)
        self._seals.pop(session_id, None)
        return self._record(session_id, None)

    # --- the topic -----------------------------------------------------------------------------------------------

    async def read(self, logs: ShardLogs, mark: LogMark) -> None:
        """Read what is on the partition beyond what was read before; `mark` is where it begins and ends now.

        What this shard knows and a topic that was made again lacks is written again. Raises KafkaUnavailable.
        """
        topic_id, begin = self._read
        if (topic_id and topic_id != mark.topic_id) or mark.end < begin:
            self.lost()
            begin = 0
        async for records in logs.read(KIND, max(begin, mark.start), mark.end):
            for record in records:
                self._take((record.key or b"").decode("utf-8", "replace"), record.value)
        self._read = mark.topic_id, mark.end

    def undone(self) -> None:
        """Take it that the last plan is decided again: keys that it destroyed are those of the topic, and no other."""
        for name in self._destroyed:
            self._new.pop(name, None)
            self._seals.pop(name, None)
        self._destroyed.clear()

    def lost(self) -> None:
        """Write all that is known again in the next transaction: the topic has lost records."""
        self._again = True

    def _take(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._stored.pop(name, None)
            if name not in self._new:
                self._seals.pop(name, None)
        elif self._stored.get(name) != value:
            self._stored[name] = value
            self._new.pop(name, None)
            self._seals.pop(name, None)

    def _record(self, name: str, value: bytes | None) -> Outgoing:
        return Outgoing(self.topic, self._partition, name.encode(), value)


def _chats_of(inputs: Iterable[Input]) -> Iterator[str]:
    """Yield the chats of which inputs may need the key."""
    for one in inputs:
        if isinstance(one, StoredRead):
            yield from (text.session_id for text in one.texts)
            yield from (bad.session_id for bad in one.unreadable)
        elif not isinstance(one, ErasureRequested):
            yield from chats_of(one)
            if isinstance(one, QuarantinedInput):
                yield from one.followed  # what they vouch for is written, and may end one that has become too large
