"""Reads stored transcripts from their topic, for all shards of a worker: one consumer, whatever their number.

Each shard begins where its checkpoints say, and takes what lies on its partition as inputs. A text is parsed beside the
event loop. A shard whose inbox is full is not read on (P6). While the topic cannot be read, live chats are captured all
the same: the reason is told, and reading is tried again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bridge.capture.erasure_requests import requested
from bridge.capture.stored_facts import StoredPlaceGone, StoredTopicUnread
from bridge.capture.stored_inputs import ErasureRequested, StoredPlace, StoredRefused
from bridge.capture.stored_reading import inputs_of
from bridge.capture.stored_texts import StoredText, StoredTextParts
from bridge.errors import AccessDenied, EnvironmentFault, KafkaUnavailable, Problem, TopicMismatch, TopicMissing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from bridge.backoff import Backoff
    from bridge.capture.consumer_ports import ConsumedRecord, StoredLog
    from bridge.capture.ports import Clock
    from bridge.capture.stored_inputs import StoredInput
    from bridge.records.shard_facts import LogMark
    from bridge.telemetry import Telemetry

_LOOK_SECONDS: Final = 60.0
"""How often is asked whether the topic is still the same one."""
_LEFT_OUT_SECONDS: Final = 5.0
"""How often while a partition of it cannot be read."""
_REFUSED_SECONDS: Final = 60.0
"""Time to the next attempt when somebody has to change something first: a denial is in the broker's log each time."""
_SHORT: Final = 16 * 1024
"""Bytes of a text that is parsed at once: that takes 1 ms, 5 ms if it is damaged."""


class PartitionReading:
    """One partition that is being read, as its shard holds it: the `StoredReading` of a `StoredReader`."""

    def __init__(
        self,
        partition: int,
        place: StoredPlace | None,
        deliver: Callable[[StoredInput, int], None],
        ended: Callable[[PartitionReading], None],
    ) -> None:
        """Begin at a place; `ended` is called once, by `end`."""
        self.partition = partition
        self.deliver = deliver
        self.paused = False
        self.live = True
        self.known = place  #: where it is to begin
        self.begun = False
        self.topic_id = ""
        self.offset = 0  #: of the next record
        self.parts = StoredTextParts()
        self._ended = ended

    def pause(self) -> None:
        """Deliver nothing more, but for what was already read."""
        self.paused = True

    def resume(self) -> None:
        """Go on."""
        self.paused = False

    def end(self) -> None:
        """Read it no more; nothing more is delivered."""
        if self.live:
            self.live = False
            self._ended(self)

    @property
    def place(self) -> StoredPlace:
        """Where to go on after a restart: not behind the first record of a text that is not complete."""
        begun = self.parts.begun
        return StoredPlace(self.offset if begun is None else min(begun, self.offset), self.topic_id)

    def put_at(self, log: LogMark) -> StoredPlaceGone | None:
        """Compare where it is, or is to begin, with the log; return what is to be told if that is not there."""
        topic_id = log.topic_id.hex()
        place = self.place if self.begun else self.known or StoredPlace(log.start, topic_id)
        another = bool(place.topic_id and topic_id) and place.topic_id != topic_id
        gone = another or not log.start <= place.offset <= log.end
        if gone or not self.begun:
            self.parts, self.offset = StoredTextParts(), log.start if gone else place.offset
        self.begun, self.topic_id = True, topic_id
        if not gone:
            return None
        lost = 0 if another else max(log.start - place.offset, 0)
        return StoredPlaceGone(shard=self.partition, offset=place.offset, first=self.offset, lost=lost)


class StoredReader:
    """The `StoredTopic` of a worker. `run` reads until it is cancelled; `problem` says why it cannot, None: it can."""

    def __init__(  # noqa: PLR0913 - the collaborators, by name, built once in the composition root
        self,
        topic: str,
        make_log: Callable[[], StoredLog],
        *,
        prepare: Callable[[], Awaitable[None]],
        backoff: Backoff,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """`topic` names where refused records lie; `make_log` makes a consumer, each time the former one failed.

        `prepare` sees to it, before that, that there is a topic that can be read. It raises EnvironmentFault.
        """
        self.problem: Problem | None = None
        self._topic = topic
        self._make_log = make_log
        self._prepare = prepare
        self._backoff = backoff
        self._clock = clock
        self._telemetry = telemetry
        self._readings: dict[int, PartitionReading] = {}
        self._wanted = asyncio.Event()

    def begin(
        self, partition: int, place: StoredPlace | None, deliver: Callable[[StoredInput, int], None]
    ) -> PartitionReading:
        """Read a partition from a place on, instead of whoever reads it now."""
        reading = PartitionReading(partition, place, deliver, self._end)
        former = self._readings.get(partition)
        self._readings[partition] = reading
        if former is not None:
            former.end()
        self._wanted.set()
        return reading

    def _end(self, reading: PartitionReading) -> None:
        if self._readings.get(reading.partition) is reading:
            del self._readings[reading.partition]
        if not self._readings:
            self._wanted.clear()
            self.problem = None

    async def run(self) -> None:
        """Read what shards want, until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await self._prepare()
                await self._read_anew()
            except EnvironmentFault as error:
                self._failed(error.problem)
                lasts = isinstance(error, AccessDenied | TopicMissing | TopicMismatch)
                await asyncio.sleep(_REFUSED_SECONDS if lasts else self._backoff.next())

    async def _read_anew(self) -> None:
        log = self._make_log()
        try:
            await log.open()
            await self._read(log)
        finally:
            await log.close()

    def _failed(self, problem: Problem) -> None:
        if problem != self.problem:
            self._telemetry.emit(StoredTopicUnread(code=problem.code, detail=problem.detail))
        self.problem = problem if self._readings else None

    async def _read(self, log: StoredLog) -> None:
        look_at, asked = 0.0, frozenset[PartitionReading]()
        there: frozenset[int] = frozenset()
        while self._readings:
            now, wanted = self._clock.monotonic(), frozenset(self._readings.values())
            if not wanted <= asked or now >= look_at:
                asked, there = wanted, await self._look(log)
                left_out = sorted({one.partition for one in wanted if one.live} - there)
                self._left_out(left_out)
                look_at = now + (_LEFT_OUT_SECONDS if left_out else _LOOK_SECONDS)
            self._backoff.reset()
            read = {partition: one for partition, one in self._readings.items() if one.begun and partition in there}
            full = [partition for partition, one in read.items() if one.paused]
            fetched = await log.fetch({partition: one.offset for partition, one in read.items()}, full)
            await self._take(fetched, read)

    def _left_out(self, partitions: Sequence[int]) -> None:
        if not partitions:
            self.problem = None
            return
        numbers = ", ".join(map(str, partitions))
        text = f"partitions of {self._topic} that are not there, or have no leader: {numbers}"
        self._failed(Problem(KafkaUnavailable.code, text))

    async def _look(self, log: StoredLog) -> frozenset[int]:
        logs = await log.look(tuple(self._readings))
        for partition in logs.keys() & self._readings.keys():
            gone = self._readings[partition].put_at(logs[partition])
            if gone is not None:
                self._telemetry.emit(gone)
        return frozenset(logs)

    async def _take(self, records: Iterable[ConsumedRecord], read: Mapping[int, PartitionReading]) -> None:
        for record in records:
            reading = read[record.partition]
            if not reading.live or record.offset < reading.offset:
                continue
            before, now = reading.place, self._clock.now_us()
            if (asked := requested(record.key, record.headers)) is not None:
                reading.offset = record.offset + 1
                one = ErasureRequested(asked.session_id, reading.place, asked.request, now, asked.again)
                reading.deliver(one, 0)
                continue
            told = reading.parts.take(record.key, record.headers, record.value, record.offset)
            reading.offset = record.offset + 1
            where = f"{self._topic}-{record.partition}@{record.offset}"
            for session_id, why, raw in reading.parts.given_up(record.offset):
                reading.deliver(StoredRefused(session_id, reading.place, where, why, raw, now), len(raw))
            if isinstance(told, StoredText):
                await self._deliver(reading, told, before)
            elif told is not None:
                raw = record.value or b""
                reading.deliver(StoredRefused(None, reading.place, where, told, raw, now), len(raw))

    async def _deliver(self, reading: PartitionReading, text: StoredText, before: StoredPlace) -> None:
        arguments = text, self._clock.now_us(), before, reading.place
        inputs = inputs_of(*arguments) if text.size <= _SHORT else await asyncio.to_thread(inputs_of, *arguments)
        for one in inputs if reading.live else ():
            reading.deliver(one, text.size // len(inputs))
