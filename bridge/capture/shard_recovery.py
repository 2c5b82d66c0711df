"""What a shard does about what Kafka has forgotten.

It looks at the logs of its partitions whenever it is opened, and then every half minute (`log_changes.py`). The marker
among the checkpoints holds the last look. What is in memory is never replaced by less: it is written again. Where
nothing is in memory, or where checkpoints and events do not belong together, the records tell (`published_chats.py`).
All that follows from one look is written in one transaction, together with the marker that holds this look: after a
failure the same is found again.

Opening reads the records since the last marker, so those of half a minute; all that are there only when checkpoints are
gone, even if only one segment of a chat is, or when a topic was made again or restored.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from bridge.announcement import parse
from bridge.capture import readiness_codes as codes
from bridge.capture.inbox import Announced, Forgotten, Input
from bridge.capture.log_changes import LogChange, changes, check_group, lasting_problems
from bridge.capture.loss_facts import KafkaForgot, StateRebuilt
from bridge.capture.output_logs import OutputLogs
from bridge.capture.outputs import log_topics
from bridge.capture.pacing import earlier
from bridge.capture.record_comparison import Rebuilt, RecordComparison
from bridge.capture.shard_growth import ShardGrowth
from bridge.capture.shard_keys import KIND as KEYS
from bridge.capture.tree_recovery import recovered_tree
from bridge.errors import KafkaUnavailable, LeaderMissing, Problem, TopicMissing, UnreadableAnnouncement
from bridge.records.shard_facts import ShardFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.ports import Clock, ShardLogs, StoredRecord
    from bridge.capture.session_store import SessionStore
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.records.checkpoint_reader import StoredSession
    from bridge.records.shard_facts import Logs
    from bridge.telemetry import Telemetry

_TOLD_SECONDS: Final = 30.0
"""How long a loss that is repaired stays among the reasons of /readyz: longer than the interval of its readers."""
_AGAIN_SECONDS: Final = 5.0
_LOSSES: Final = {
    "checkpoints": (codes.CHECKPOINTS_LOST, "lost checkpoints; what is in memory is written again"),
    "events": (codes.EVENTS_LOST, "lost events; open chats get a GAP"),
    "sessions": (codes.SESSIONS_LOST, "lost session records, certificates among them"),
    "announcements": (codes.ANNOUNCEMENTS_LOST, "lost announcements; what is there is read again"),
    KEYS: (codes.KEYS_LOST, "lost keys; those in memory are written again, what others have sealed cannot be opened"),
}


@dataclass(slots=True)
class Repair:
    """What the next transaction has to tell. `due`: there is something, if only checkpoints to be written again.

    `committed` is the offset of announcements that the group had committed when the shard was opened.
    """

    inputs: list[Input] = field(default_factory=list)
    due: bool = False
    next_announcement: int | None = None
    committed: int = 0


class ShardRecovery:
    """The looks of one shard at its logs, and what follows from them."""

    def __init__(  # noqa: PLR0913 - the collaborators, by name, built once by the shard
        self,
        partition: int,
        logs: ShardLogs,
        settings: SessionStoreSettings,
        *,
        partitions: int,
        interval: float,
        clock: Clock,
        telemetry: Telemetry,
        former: Sequence[int] = (),
        raised: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`interval` is that between two looks, in seconds; the numbers of partitions are as in `ShardGrowth`."""
        self._partition = partition
        self._logs = logs
        self._settings = settings
        self._own = ShardFacts(settings.recording.group, partitions)
        self._growth = ShardGrowth(partitions, former, raised)
        self._interval = interval
        self._clock = clock
        self._telemetry = telemetry
        self._look_at = 0.0
        self._seen: Logs = {}
        self._lasting: list[Problem] = []
        self._told: list[tuple[float, Problem]] = []
        self._outputs = OutputLogs(logs, settings)
        self._events = {one.log_kind("events"): one.name for one in settings.outputs}
        self._sessions = [one.log_kind("sessions") for one in settings.outputs]
        self._written = (*log_topics(settings.outputs), "checkpoints")  # by the bridge only: of a new shard, empty

    def tell(self, progress: Callable[[Problem], None]) -> None:
        """Say with `progress` how far the records are read that a restore has to read."""
        self._outputs.progress = progress

    def problems(self) -> list[Problem]:
        """Return what is wrong with the topics, and what was lost a moment ago."""
        now = self._clock.monotonic()
        self._told = [one for one in self._told if one[0] > now]
        return [*self._lasting, *(problem for _, problem in self._told)]

    def rest(self) -> float:
        """Return the seconds until the next look is due."""
        return max(self._look_at - self._clock.monotonic(), 0.0)

    # --- opening -------------------------------------------------------------------------------------------------

    async def before_opening(self) -> None:
        """Look at the logs, and read the keys, before checkpoints are read. Raises KafkaUnavailable, TopicMissing."""
        self._seen = await self._look()
        self._look_at -= self._interval * earlier(self._partition)
        for kind, name in self._logs.names.items():
            if kind not in self._seen:
                raise TopicMissing(name)
        if self._settings.keys is not None:
            # A holder that has left in order may have committed a key that is not marked yet: no second one is made.
            mark = replace(self._seen[KEYS], end=await self._logs.marked(KEYS))
            self._seen = {**self._seen, KEYS: mark}
            await self._settings.keys.read(self._logs, mark)

    def checkpoints_changed(self, marker: ShardFacts | None) -> bool:
        """Return whether checkpoints have gone since the last look in memory, or since that of a marker."""
        return marker is not None and bool(changes(marker.logs, self._seen).get("checkpoints"))

    async def landed(self, plan: TransactionPlan, before: ShardFacts | None) -> bool:
        """Return whether the records of a plan are on their topics, although its commit failed."""
        return await self._outputs.hold(plan, self._seen, before)

    async def opening(self, store: SessionStore, *, before: ShardFacts | None, kept: bool) -> Repair:
        """Compare a store with the logs, now that it is restored, or `kept` because Kafka has forgotten.

        `before` is the last look, of the marker or in memory. Raises CheckpointsOfOthers, KafkaUnavailable.
        """
        check_group(before, self._own.group)
        self._own = replace(self._own, partitions=self._growth.opened(store.positions, before, self._seen))
        now = self._seen
        found = {} if before is None else changes(before.logs, now)
        taken = await self._logs.committed()
        lost = not kept and self._lost(store, before, found, taken)
        detail = _parts_lost(store.incomplete) if store.incomplete else "without checkpoints"
        repair = Repair(committed=taken)
        if kept:
            self._forgot("checkpoints", found["checkpoints"].lost if found else 0)
            repair.due = True
        remade = any(found.get(kind, LogChange()).made_again for kind in (*self._events, "checkpoints"))
        whole = lost or (remade and not kept)
        gone = set[str]()
        if whole or (before is not None and not kept):
            result = await self._compared(store, None if whole else before)
            if result is None:  # a chat that the checkpoints do not know: they are behind, though of the same topic
                result = await self._compared(store, None) or Rebuilt()
            lost = lost and not self._unused(store, before, result, taken)
            gone = result.without_records
            if result.chats or result.over:
                store.adopt([*result.chats, *result.over])
                repair.due = True
        else:
            result = Rebuilt()
        if lost:
            self._forgot("checkpoints", now["checkpoints"].start, codes.STATE_LOST, detail)
        changed = [kind for kind in self._events if found.get(kind)]
        gone |= self._recorded(store, [kind for kind in changed if kept or found[kind].emptied])
        if gone and not lost:
            for kind in changed or list(self._events)[:1]:
                self._forgot(kind, found[kind].lost)
        if not lost:
            self._forgot_sessions(found)
        self._keys_lost(repair, found)
        again = lost or bool(result.without_place)
        await self._announcements(repair, before, found.get("announcements", LogChange()), taken, again=again)
        if self._settings.evidence is not None and not kept:
            marked = None if before is None else before.logs
            tree, stamp = store.numbers.tree, self._clock.now_us()
            tree = await recovered_tree(self._partition, tree, self._logs, before=marked, seen=now, now=stamp)
            store.numbers.tree = tree
        self._finish(store, repair, gone, result.without_place)
        return repair

    def _lost(self, store: SessionStore, before: ShardFacts | None, found: Mapping[str, LogChange], taken: int) -> bool:
        """Return whether checkpoints are gone. A shard without a marker that was in use is no fresh installation."""
        if store.incomplete:
            return True
        if before is not None:
            return found["checkpoints"].emptied
        return any(self._seen[kind].end for kind in self._written) or taken > 0

    def _unused(self, store: SessionStore, before: ShardFacts | None, result: Rebuilt, taken: int) -> bool:
        """Return whether there is nothing but transactions that were aborted, as of a first start that was cut."""
        if before is not None or store.incomplete or result != Rebuilt():
            return False
        return not any(self._seen[kind].start for kind in self._written) and taken == 0

    # --- running -------------------------------------------------------------------------------------------------

    async def look(self, store: SessionStore, next_announcement: int) -> Repair:
        """Look at the logs while the shard runs. Raises KafkaUnavailable; PartitionsRaised: open it again."""
        try:
            now = await self._look()
        except KafkaUnavailable as error:
            self._lasting = [error.problem]  # transactions, which would tell it, do not write to all of these logs
            if isinstance(error, LeaderMissing):  # told at once; any other failed look may hold the shard up
                self._look_at = min(self._look_at, self._clock.monotonic() + _AGAIN_SECONDS)
            raise
        self._growth.check(now)
        before = store.numbers.shard
        found = {} if before is None else changes(before.logs, now)
        # Of a topic that is missing now, the last look stays: when it is back, it is compared with that.
        self._seen = now if before is None else {**before.logs, **now}
        repair = Repair()
        if found.get("checkpoints"):
            self._forgot("checkpoints", found["checkpoints"].lost)
            repair.due = True
        changed = [kind for kind in self._events if found.get(kind)]
        for kind in changed:
            self._forgot(kind, found[kind].lost)
        gone = self._recorded(store, changed)
        self._forgot_sessions(found)
        self._keys_lost(repair, found)
        if "announcements" in now:
            change = found.get("announcements", LogChange())
            await self._announcements(repair, before, change, next_announcement)
        self._finish(store, repair, gone, set())
        return repair

    # --- parts ---------------------------------------------------------------------------------------------------

    async def _look(self) -> Logs:
        self._look_at = self._clock.monotonic() + self._interval
        now = await self._logs.look()
        growth = self._growth
        self._lasting = lasting_problems(self._logs.names, growth.goes_by, now, may_grow=growth.may_grow)
        return now

    def _recorded(self, store: SessionStore, kinds: Iterable[str]) -> set[str]:
        """Return the chats of which there were records on one of these topics."""
        names = {self._events[kind] for kind in kinds}
        if names:
            store.unpack()
        return {
            session_id
            for session_id, chat in store.chats.items()
            if any(one.last and one.output.name in names for one in chat.outputs)
        }

    def _forgot_sessions(self, found: Mapping[str, LogChange]) -> None:
        for kind in self._sessions:
            if found.get(kind):
                self._forgot(kind, found[kind].lost)

    def _forgot(self, kind: str, offsets: int, code: str = "", detail: str = "") -> None:
        name = self._logs.names[kind]
        kind = kind.partition(":")[0]  # whichever output it is of
        usual, text = _LOSSES[kind]
        code, problem = code or usual, Problem(code or usual, f"{name} {detail or text}")
        self._told = [one for one in self._told if one[1] != problem]
        self._told.append((self._clock.monotonic() + _TOLD_SECONDS, problem))
        self._telemetry.emit(KafkaForgot(shard=self._partition, code=code, kind=kind, topic=name, offsets=offsets))

    def _keys_lost(self, repair: Repair, found: Mapping[str, LogChange]) -> None:
        if self._settings.keys is not None and found.get(KEYS):
            self._forgot(KEYS, found[KEYS].lost)
            self._settings.keys.lost()
            repair.due = True

    def _finish(self, store: SessionStore, repair: Repair, gone: set[str], without_place: set[str]) -> None:
        """Complete the repair, and have the next transaction remember the look."""
        if gone or without_place or repair.next_announcement is not None:
            repair.inputs.append(
                Forgotten(self._clock.now_us(), frozenset(gone), frozenset(without_place), repair.next_announcement)
            )
        repair.due |= bool(repair.inputs)
        store.numbers.shard = replace(self._own, logs=self._seen)
        store.numbers.mark_next()
        if repair.due:
            store.adopt(())

    async def _announcements(
        self, repair: Repair, before: ShardFacts | None, change: LogChange, taken: int, *, again: bool = False
    ) -> None:
        """Read the announcements again from the first one, if they are others than before or with `again`."""
        there = self._seen["announcements"]
        marked = None if before is None else before.logs.get("announcements")
        moved = there.start > (0 if marked is None else marked.start)  # or it was told before
        lost = max(there.start - taken, 0) if taken and moved and not change.made_again else 0
        back = change.made_again or taken > there.end
        if lost or back:
            self._forgot("announcements", lost or max(change.lost, taken - there.end, 0))
        if not (again or back):
            return
        latest: dict[str, Announced] = {}
        unreadable: list[Input] = []
        async for records in self._logs.read("announcements", there.start, there.end):
            for record in records:
                one = self._announced(record)
                if one.announcement is not None:
                    latest.pop(one.announcement.session_id, None)
                    latest[one.announcement.session_id] = one
                elif record.offset >= taken or back:
                    unreadable.append(one)
        repair.inputs += [*unreadable, *latest.values()]
        repair.next_announcement = there.end

    def _announced(self, record: StoredRecord) -> Announced:
        raw = record.value or b""
        try:
            announcement, problem = parse(raw), ""
        except UnreadableAnnouncement as error:
            announcement, problem = None, error.message
        return Announced(record.offset, raw, record.key, announcement, problem, self._clock.now_us())

    async def _compared(self, store: SessionStore, before: ShardFacts | None) -> Rebuilt | None:
        """Compare a store with the records since the look `before`; None if they are of a chat that it does not know.

        Without a look, it is compared with all records, and such chats are part of the result.
        """
        published, whole = await self._outputs.published(self._seen, before, store.position), before is None
        together = published.together
        if not whole and any(one not in store.chats and one not in store.closed for one in together.chats):
            return None
        result = RecordComparison(published, whole=whole).with_store(store.chats, store.closed, store.incomplete)
        if result.chats or result.over or result.without_records:
            self._telemetry.emit(
                StateRebuilt(
                    shard=self._partition,
                    events=together.events,
                    chats=len(result.chats),
                    ended=len(result.over),
                    without_place=len(result.without_place),
                    without_records=len(result.without_records),
                )
            )
        return result


def _parts_lost(incomplete: Sequence[StoredSession]) -> str:
    first, others = incomplete[0], len(incomplete) - 1
    also = f" and of {others} others" if others else ""
    return f"lost a part of the checkpoint of chat {first.session_id} ({first.missing}){also}"
