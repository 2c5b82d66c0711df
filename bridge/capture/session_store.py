"""What inputs become: the chats of one shard, and the batch that each handful of inputs makes.

Nothing here does I/O or looks at a clock. `fold` changes the chats in memory and returns the batch to be committed;
when the commit fails, the shard throws the book away, restores one from the checkpoints, and folds the same inputs
again (P3).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from bridge.announcement import Announcement, parse, rewritten, session_id_problem
from bridge.capture.inbox import Announced, Input
from bridge.capture.ports import Batch, Limits, Outgoing, same_limits
from bridge.chatserver.messages import NO_SUCH_USER
from bridge.errors import BridgeError, EnvironmentFault, places
from bridge.records.checkpoint import Checkpoint, decode_checkpoint
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.payload_framing import unframe
from bridge.records.session_records import CLOSED, OPENED, PART_BYTES, json_of, quarantine_records
from bridge.telemetry import (
    AnnouncementForwarded,
    AnnouncementRejected,
    ChatClosed,
    ChatFailed,
    ChatOpened,
    Fact,
    GapRecorded,
    Quarantined,
    Resumed,
)
from bridge.transcript import gap_reasons
from bridge.transcript.entries import GAP, RESUMED, Certificate, Entry, SessionFacts
from bridge.transcript.fold import Transcript, TranscriptState
from bridge.transcript.times import parse_start_at
from bridge.transcript.updates import GIVE_UP, JoinRefused, LinkDown, QuarantinedInput, TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

FOLLOWED: Final = "FOLLOWED"
OVER: Final = "OVER"
GIVEN_UP: Final = "GIVEN_UP"

_HEADROOM: Final = 1_024
"""Bytes that Kafka's record framing and the headers may add to a value."""
_US_PER_MS: Final = 1_000
_HOUSEKEEPING_US: Final = 30_000_000
_LAST_ID: Final = 2**63 - 1
_T = TypeVar("_T", TranscriptUpdate, LinkDown, JoinRefused)


@dataclass(slots=True, frozen=True)
class SessionStoreSettings:
    """What all shards of a process share. `prefixes` frame a value: topic kind -> bytes before the payload.

    `checkpoint_marks` are the schema ids and fingerprints under which our own checkpoints may stand.
    """

    recording: Recording
    payload_headers: Mapping[str, bytes]
    checkpoint_schema_ids: frozenset[int | bytes]
    partition_of: Callable[[bytes], int]
    limits: Limits = field(default_factory=lambda: same_limits(1_000_000))
    checkpoint_retention_us: int = 86_400_000_000


@dataclass(slots=True)
class Chat:
    """One chat of the shard. `closed_at` in us since 1970 UTC, None while it is followed.

    `announced` is the announcement's JSON, which goes into every checkpoint; `start_text` the session's start as the
    server last wrote it.
    """

    transcript: Transcript
    recorder: ChatRecorder
    announcement: Announcement
    announced: bytes
    state: str = FOLLOWED
    closed_at: int | None = None
    start_text: str = ""

    @property
    def servers(self) -> tuple[str, ...]:
        """Where it may be found, best first."""
        return tuple(self.announcement.addresses())


@dataclass(slots=True)
class TransactionPlan:
    """What a fold decided: batch, chats to follow or forget, facts to tell once committed; `cut`: not all fitted."""

    batch: Batch = field(default_factory=Batch)
    follow: list[Chat] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    cut: bool = False


class SessionStore:
    """All chats of one shard, and how inputs change them."""

    def __init__(self, partition: int, settings: SessionStoreSettings) -> None:
        """Start empty; `restore` fills it from the checkpoints."""
        self._partition = partition
        self._settings = settings
        self._room = {kind: most - _HEADROOM for kind, most in settings.limits.items()}
        self._chats: dict[str, Chat] = {}
        self._over: dict[str, int] = {}
        self._touched: dict[str, Chat] = {}
        self._plan = TransactionPlan()
        self._expire_at = 0

    # --- what can be asked ---------------------------------------------------------------------------------------

    @property
    def chats(self) -> Mapping[str, Chat]:
        """Chats that are followed, or were given up and may be announced again."""
        return self._chats

    def followed(self) -> list[Chat]:
        """Chats that must be joined."""
        return [chat for chat in self._chats.values() if chat.state == FOLLOWED]

    # --- restoring -----------------------------------------------------------------------------------------------

    def restore(self, checkpoints: Iterable[tuple[str, bytes]]) -> None:
        """Fill an empty book from (session id, checkpoint value).

        Raises EnvironmentFault on one that another schema wrote, VerificationFailed on an unreadable one.
        """
        for session_id, value in checkpoints:
            mark, payload = unframe(value)
            if mark not in self._settings.checkpoint_schema_ids:
                raise EnvironmentFault(
                    f"the checkpoint of a chat on shard {self._partition} was written with another schema",
                    next_step="run with the schema registry and the version of the bridge that wrote it",
                )
            stored = decode_checkpoint(self._settings.recording.schemas, payload)
            if stored.state == OVER:
                self._over[session_id] = stored.observed_at
                continue
            recorder = ChatRecorder(session_id, self._settings.recording, stored.head)
            self._chats[session_id] = Chat(
                Transcript(stored.transcript),
                recorder,
                parse(stored.announcement),
                stored.announcement,
                stored.state,
                None if stored.state == FOLLOWED else stored.observed_at,
            )

    # --- folding -------------------------------------------------------------------------------------------------

    def fold(self, inputs: Sequence[Input], now: int) -> TransactionPlan:
        """Fold inputs in order; `now` in us since 1970 UTC stamps the checkpoints and expires old ones."""
        self._plan = TransactionPlan()
        self._touched = {}
        for one in inputs:
            if isinstance(one, TranscriptUpdate):
                self._guarded(one.session_id, one, self._seen)
            elif isinstance(one, Announced):
                self._announced(one)
            elif isinstance(one, LinkDown):
                self._guarded(one.session_id, one, self._away)
            elif isinstance(one, JoinRefused):
                self._guarded(one.session_id, one, self._given_up)
            else:
                self._set_aside(one)
        if now >= self._expire_at:
            self._expire(now)
            self._expire_at = now + _HOUSEKEEPING_US
        for session_id, chat in self._touched.items():
            value = self._checkpoint(chat, now)
            large = len(value) > self._room["checkpoints"]
            if chat.state != OVER and (chat.transcript.outgrown or large):
                # What Kafka refuses would end the whole shard, again and again: better one chat, and said aloud (P2).
                self._end_with_gap(chat, gap_reasons.OUTGROWN, now, OVER)
                self._plan.cut |= large
                value = self._checkpoint(chat, now)
            self._plan.batch.checkpoints.append(Outgoing(session_id.encode(), self._framed("checkpoints", value)))
        return self._plan

    def _guarded(self, session_id: str, one: _T, act: Callable[[Chat, _T], None]) -> None:
        """Let a bug in one chat end that chat only, and say so."""
        chat = self._chats.get(session_id)
        if chat is None or chat.state != FOLLOWED:
            return  # closed or moved meanwhile: what is still in flight is not ours
        try:
            act(chat, one)
        except Exception as error:  # noqa: BLE001 - the whole point: one chat's bug is not the others'
            self._plan.facts.append(ChatFailed(error=type(error).__name__, at=places(error)))
            if isinstance(one, TranscriptUpdate):
                self._quarantine(one.server, session_id, one.observed_at, "internal error", json_of(one.transcript))
            self._close(chat, one.observed_at, GIVEN_UP, gap_reasons.INTERNAL)
        self._touched[session_id] = chat

    # --- announcements -------------------------------------------------------------------------------------------

    def _announced(self, one: Announced) -> None:
        self._plan.batch.announcement_offset = one.offset + 1
        told = one.announcement
        if told is None:
            self._plan.facts.append(AnnouncementRejected())
            self._quarantine(
                f"announcements-{self._partition}@{one.offset}", None, one.observed_at, one.problem, one.raw
            )
            return
        key = told.session_id.encode()
        partition = self._settings.partition_of(key)
        if partition != self._partition:
            # Two owners of one chat must be impossible: send it to where every client's murmur2 would.
            self._plan.batch.forwards.append((partition, Outgoing(key, one.raw)))
            self._plan.facts.append(AnnouncementForwarded())
            return
        if told.session_id in self._over:
            return  # said again after its end
        chat = self._chats.get(told.session_id)
        if chat is None:
            facts = SessionFacts(told.session_id, tenant=told.tenant, server=told.addresses()[0])
            chat = Chat(
                Transcript(TranscriptState(facts)),
                ChatRecorder(told.session_id, self._settings.recording),
                told,
                rewritten(told, one.raw),
            )
            self._chats[told.session_id] = chat
            self._opened(chat, one.observed_at)
        elif chat.state == GIVEN_UP:
            chat.announcement, chat.announced = told, rewritten(told, one.raw)
            chat.state, chat.closed_at = FOLLOWED, None
            self._opened(chat, one.observed_at)
        elif chat.announcement.addresses() != told.addresses() or told.password:
            chat.announcement, chat.announced = told, rewritten(told, one.raw)
        self._plan.follow.append(chat)
        self._touched[told.session_id] = chat

    def _opened(self, chat: Chat, at: int) -> None:
        self._session_record(chat, OPENED, at, None)
        self._plan.facts.append(ChatOpened())

    # --- what links saw ------------------------------------------------------------------------------------------

    def _seen(self, chat: Chat, seen: TranscriptUpdate) -> None:
        if seen.transcript.start_at != chat.start_text:
            chat.start_text = seen.transcript.start_at
            chat.transcript.start(parse_start_at(chat.start_text))
        for entry in chat.transcript.see(seen):
            self._publish(chat, entry)
        for damaged in seen.damaged:
            self._quarantine(seen.server, seen.session_id, seen.observed_at, damaged.reason, damaged.raw)
        if seen.over:
            self._close(chat, seen.observed_at, OVER)

    def _away(self, chat: Chat, away: LinkDown) -> None:
        chat.transcript.away(away.observed_at // _US_PER_MS)

    def _given_up(self, chat: Chat, refused: JoinRefused) -> None:
        if refused.verdict != GIVE_UP:
            return
        if not chat.transcript.joined:
            reason = gap_reasons.NEVER_JOINED
        elif refused.error_id == NO_SUCH_USER:
            reason = gap_reasons.OVER_WHILE_AWAY
        else:
            reason = gap_reasons.OUT_OF_REACH
        self._end_with_gap(chat, reason, refused.observed_at, GIVEN_UP)

    def _end_with_gap(self, chat: Chat, reason: str, at: int, state: str) -> None:
        last = chat.transcript.delivered.maximum
        after = None if last is None or last == _LAST_ID else last + 1
        self._publish(chat, chat.transcript.gap(after, None, reason, at))
        self._close(chat, at, state)

    def _set_aside(self, aside: QuarantinedInput) -> None:
        chat = self._chats.get(aside.session_id) if aside.session_id else None
        self._quarantine(
            aside.source, aside.session_id, aside.observed_at, aside.reason, aside.raw, total_bytes=aside.total_bytes
        )
        if chat is not None and chat.state == FOLLOWED and aside.attributed:
            for entry in chat.transcript.set_aside(attributed=True, observed_at=aside.observed_at):
                self._publish(chat, entry)
            self._touched[chat.transcript.session_id] = chat
        for session_id in aside.followed:
            other = self._chats.get(session_id)
            if other is not None and other.state == FOLLOWED:
                other.transcript.set_aside(attributed=False, observed_at=aside.observed_at)
                self._touched[session_id] = other

    # --- records -------------------------------------------------------------------------------------------------

    def _publish(self, chat: Chat, entry: Entry) -> None:
        """Encode an entry into the batch; one that cannot be published becomes a GAP in its place (P2)."""
        recorder, facts = chat.recorder, chat.transcript.facts
        head = recorder.head
        reason = gap_reasons.TOO_LARGE
        try:
            payload = recorder.event_record(entry, facts)
        except BridgeError as error:
            payload, reason = b"", error.message
        if not payload or len(payload) > self._room["events"]:
            recorder.head = head
            self._plan.cut |= bool(payload)
            self._quarantine(facts.server or "", facts.session_id, entry.observed_at, reason, json_of(entry.event))
            chat.transcript.withdraw(entry, gap_reasons.TOO_LARGE if payload else gap_reasons.UNREADABLE)
            payload = recorder.event_record(entry, facts)
        self._plan.batch.events.append(
            Outgoing(
                facts.session_id.encode(),
                self._framed("events", payload),
                entry.observed_at // _US_PER_MS,
                recorder.headers(entry, facts),
            )
        )
        kind = entry.kind
        self._plan.kinds[kind] = self._plan.kinds.get(kind, 0) + 1
        if kind == GAP and entry.gap is not None:
            self._plan.facts.append(GapRecorded(reason=entry.gap.reason))
        elif kind == RESUMED:
            self._plan.facts.append(Resumed())

    def _close(self, chat: Chat, at: int, state: str, *because: str) -> None:
        certificate = chat.transcript.certificate(*because)
        chat.state, chat.closed_at = state, at
        self._session_record(chat, CLOSED, at, certificate)
        self._plan.facts.append(ChatClosed(verdict=certificate.verdict))
        session_id = chat.transcript.session_id
        self._plan.forget.append(session_id)
        if state == OVER:
            del self._chats[session_id]
            self._over[session_id] = at

    def _session_record(self, chat: Chat, state: str, at: int, certificate: Certificate | None) -> None:
        facts = chat.transcript.facts
        payload = chat.recorder.session_record(state, facts, at, certificate, room=self._room["sessions"])
        self._plan.batch.sessions.append(
            Outgoing(
                facts.session_id.encode(),
                self._framed("sessions", payload),
                at // _US_PER_MS,
                chat.recorder.session_headers(state, at),
            )
        )

    def _quarantine(  # noqa: PLR0913 - the columns of a quarantine record
        self, source: str, session_id: str | None, at: int, reason: str, raw: bytes, *, total_bytes: int | None = None
    ) -> None:
        if session_id is not None and session_id_problem(session_id):
            session_id = None  # a peer may call a chat anything; what is no id is in the bytes
        key = (session_id or source).encode()
        for payload in quarantine_records(
            self._settings.recording.schemas,
            source=source,
            session_id=session_id,
            observed_at=at,
            reason=reason,
            raw=raw,
            total_bytes=total_bytes,
            part_bytes=min(PART_BYTES, self._room["quarantine"] // 2),
        ):
            self._plan.batch.quarantine.append(Outgoing(key, self._framed("quarantine", payload), at // _US_PER_MS))
        self._plan.facts.append(Quarantined(reason=reason))

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def _checkpoint(self, chat: Chat, now: int) -> bytes:
        state = chat.transcript.state()
        if chat.state == OVER:  # nothing more can come: remember that it is over, not what was in it
            state = replace(state, id_ranges=[], prints=b"", parties=[], gaps=[], amendments={})
        return chat.recorder.checkpoint(
            Checkpoint(
                announcement=b"" if chat.state == OVER else chat.announced,
                state=chat.state,
                transcript=state,
                head=chat.recorder.head,
                observed_at=chat.closed_at or now,
            )
        )

    def _expire(self, now: int) -> None:
        """Tombstone the checkpoints of chats that were closed long ago."""
        before = now - self._settings.checkpoint_retention_us
        for session_id in _older(self._over, before):
            del self._over[session_id]
            self._plan.batch.checkpoints.append(Outgoing(session_id.encode(), None))
        given_up = {name: chat.closed_at for name, chat in self._chats.items() if chat.closed_at is not None}
        for session_id in _older(given_up, before):
            del self._chats[session_id]
            self._touched.pop(session_id, None)
            self._plan.batch.checkpoints.append(Outgoing(session_id.encode(), None))

    def _framed(self, kind: str, payload: bytes) -> bytes:
        return self._settings.payload_headers[kind] + payload


def _older(closed: Mapping[str, int], before: int) -> list[str]:
    return [session_id for session_id, at in closed.items() if at < before]
