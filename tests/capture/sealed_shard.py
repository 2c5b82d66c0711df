"""A shard with two outputs, one of them sealed, and what is on their topics and on that of the keys."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from bridge.capture.outputs import log_topics
from bridge.capture.shard_keys import ShardKeys
from bridge.capture.shard_recovery import ShardRecovery
from bridge.records.shard_facts import LogMark
from bridge.sealing.chat_seal import ChatSeal
from bridge.sealing.data_keys import parsed_key_record
from bridge.sealing.opened_records import is_sealed_event, opened_event
from tests.capture.hand_fed_shard import hand_fed_shard, while_it_runs
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.scripted_logs import NAMES, SteadyLogs
from tests.capture.test_commit_answers import KeepingWriter, KeptPartition, kept_partition
from tests.capture.two_outputs import BOTH, MASKED, PARTITION, WHOLE, WrittenOutput, settings_of
from tests.capture.virtual_servers import VirtualClock
from tests.sealing.known_keys import CountedKeys, KnownMaster
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bridge.capture.ports import Batch
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.capture.shard import Shard
    from bridge.records.shard_facts import Logs

KEYS: Final = "test.keys"


@dataclass(frozen=True)
class KeptKey:
    """A record of the topic of keys."""

    offset: int
    key: bytes
    value: bytes | None


@dataclass
class KeysLog(SteadyLogs):
    """Logs of which that of the keys can be read, made again, and deleted.

    `unmarked` are the last records that are committed, and not marked before somebody waits for it.
    """

    names: dict[str, str] = field(default_factory=lambda: {**NAMES, **log_topics(BOTH), "keys": KEYS})
    records: list[KeptKey] = field(default_factory=list)
    made: int = 1
    missing: bool = False
    unmarked: int = 0
    read_from: list[int] = field(default_factory=list)

    def write(self, batch: Batch) -> None:
        for one in batch.on(KEYS):
            assert one.partition == PARTITION
            self.records.append(KeptKey(len(self.records), one.key, one.value))

    def make_again(self) -> None:
        self.made += 1
        self.records.clear()

    def wrapped(self) -> dict[str, bytes]:
        """Return the last value of each key, as compaction leaves them."""
        last = {one.key.decode(): one.value for one in self.records}
        return {name: value for name, value in last.items() if value is not None}

    async def marked(self, kind: str) -> int:
        self.unmarked = 0
        return await super().marked(kind)

    async def look(self) -> Logs:
        found = dict(await super().look())
        found["keys"] = LogMark(b"keys %d" % self.made, 0, len(self.records) - self.unmarked)
        if self.missing:
            del found["keys"]
        return found

    async def read(self, kind: str, start: int, end: int) -> AsyncIterator[Sequence[Any]]:
        if kind == "keys":
            self.read_from.append(start)
            yield self.records[start:end]
            return
        async for records in super().read(kind, start, end):
            yield records


class SealingWriter(KeepingWriter):
    """Keeps what of both outputs and of the keys is committed."""

    def __init__(self, shard: SealedShard) -> None:
        super().__init__(shard.kept)
        self._shard = shard

    async def commit(self, batch: Batch) -> None:
        kept = self._shard.kept
        lost = kept.lose
        try:
            await super().commit(batch)
        except Exception:
            if lost > kept.lose:
                self._shard.take(batch)
            raise
        self._shard.take(batch)


@dataclass
class SealedShard:
    """A shard that seals one of two outputs, fed by hand."""

    master: KnownMaster = field(default_factory=KnownMaster)
    kept: KeptPartition = field(default_factory=kept_partition)
    logs: KeysLog = field(default_factory=KeysLog)
    told: RecordedFacts = field(default_factory=RecordedFacts)
    new_key: CountedKeys = field(default_factory=CountedKeys)
    clear: WrittenOutput = field(default_factory=lambda: WrittenOutput(WHOLE))
    sealed: WrittenOutput = field(default_factory=lambda: WrittenOutput(MASKED))

    def take(self, batch: Batch) -> None:
        self.logs.write(batch)
        for one in (self.clear, self.sealed):
            one.take(batch)

    def keys(self) -> ShardKeys:
        return ShardKeys(PARTITION, KEYS, self.master, self.new_key)

    def settings(self, keys: ShardKeys, owner: int = 1) -> SessionStoreSettings:
        sealed = replace(MASKED, recording=replace(MASKED.recording, keys=keys))
        return settings_of(WHOLE, sealed, keys=keys, owner=owner, partition_of=lambda _: PARTITION)

    @asynccontextmanager
    async def running(self, owner: int = 1) -> AsyncIterator[Shard]:
        """Run a new owner of the partition."""
        async with while_it_runs(self.made(owner)) as shard:
            yield shard

    def made(self, owner: int = 1) -> Shard:
        clock, of_shard = VirtualClock(), self.settings(self.keys(), owner)
        return hand_fed_shard(
            PARTITION,
            lambda _: SealingWriter(self),
            clock,
            self.told,
            of_shard,
            recovery=ShardRecovery(
                PARTITION, self.logs, of_shard, partitions=2, interval=30.0, clock=clock, telemetry=self.told
            ),
        )

    # --- what is on the topics -----------------------------------------------------------------------------------

    def seal(self, name: str = CHAT) -> ChatSeal:
        """Return the seal of what the topic of keys holds."""
        wrapped = parsed_key_record(name, self.logs.wrapped()[name])
        return ChatSeal(name, bytes(each ^ 0x5A for each in wrapped.wrapped))

    def opened(self) -> list[dict[str, Any]]:
        """Return the events of the sealed output in clear, but for what is another one in each output."""
        return [_alike(opened_event(one, self.seal())) for one in self.sealed.records()]

    def check(self, events: int) -> None:
        """Check that both outputs hold the same events, that one of them is sealed, and that both verify."""
        assert [_alike(one) for one in self.clear.records()] == self.opened()
        assert len(self.opened()) == events
        for one in self.sealed.records():
            assert is_sealed_event(one) == (one["kind"] not in {"GAP", "RESUMED"})
        for output in (self.clear, self.sealed):
            assert [str(finding) for finding in output.findings()] == []


def _alike(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without the chain, and without the version of the rules."""
    return {**event, "integrity": None, "ruleSet": None}
