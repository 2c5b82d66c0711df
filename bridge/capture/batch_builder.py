"""Builds the batch of one transaction: entries, certificates, quarantined input and checkpoints as framed records.

Pure: what happened is an argument, the result is a TransactionPlan. A record that a topic would refuse is replaced
here (P2: by a GAP and the quarantined content), never left out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.announcement import session_id_problem
from bridge.capture.chat_facts import GapRecorded, Quarantined, Redacted, Resumed
from bridge.capture.output_sessions import takes
from bridge.capture.ports import Batch, Outgoing
from bridge.errors import BridgeError, Problem
from bridge.records.avro import SESSION_CHECKPOINT
from bridge.records.checkpoint_keys import MARKER_KEY
from bridge.records.payload_framing import single_object
from bridge.records.session_records import PART_BYTES, json_of, quarantine_records
from bridge.records.writer_schemas import KEPT, schema_record
from bridge.transcript import input_codes
from bridge.transcript.entries import GAP, RESUMED, Entry
from bridge.transcript.updates import JoinRefused, QuarantinedInput, TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.capture.batch_numbers import BatchNumbers
    from bridge.capture.chat import Chat
    from bridge.capture.inbox import Input
    from bridge.capture.outputs import ChatOutput, Output
    from bridge.capture.ports import Headers
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.facts import Fact
    from bridge.records.entry_blocks import EntryBlocks

_HEADROOM: Final = 1_024
"""Bytes that Kafka's record framing and the headers may add to a value."""
_USUAL_LIMIT: Final = 1_000_000
"""Bytes of a record that a topic takes about which nothing else is known."""
_AMENDS_NOTHING: Final = Problem(input_codes.NOT_RECORDED, "the event that it changes was not recorded")
_ENDING: Final = (TranscriptUpdate, JoinRefused)
_T = TypeVar("_T")


@dataclass(slots=True)
class TransactionPlan:
    """What a fold decided. `facts` are emitted once the batch is committed; `certificates` are records of it.

    `ended` are those of `forget` whose end the source has reported. `kinds` counts events per kind, however many
    outputs there are; `event_bytes` are those of all their values. `events` counts them per input. `number` is that of
    the batch; 0 when there is nothing to commit. `cut`: a record did not fit its topic's limit, and was replaced.
    `prepared`: the second step is done.
    """

    batch: Batch = field(default_factory=Batch)
    certificates: list[Outgoing] = field(default_factory=list)
    follow: list[Chat] = field(default_factory=list)
    forget: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    facts: list[Fact] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    events: list[int] = field(default_factory=list)
    event_bytes: int = 0
    number: int = 0
    cut: bool = False
    prepared: bool = False

    def add(self, later: TransactionPlan, *, instead_of: str) -> None:
        """Take over the records, facts and number of a later plan; its records of one topic replace those here."""
        kept = [record for record in self.batch.records if record.topic != instead_of]
        self.batch.records = [*kept, *later.batch.records]
        self.facts += later.facts
        self.kinds = dict(Counter(self.kinds) + Counter(later.kinds))
        self.event_bytes += later.event_bytes
        self.number = later.number


class BatchBuilder:
    """Collects the records of one transaction, in order, into `plan`."""

    def __init__(self, partition: int, settings: SessionStoreSettings) -> None:
        """Start with an empty plan, of the shard with this number."""
        self.plan = TransactionPlan()
        self.partition = partition
        self._settings = settings
        self._records = self.plan.batch.records
        self._kinds: list[str] = []  # of the events of the plan
        self._ends: list[int] = []  # of each input: how many events there were when it was folded
        self.checkpoint_header = single_object(settings.recording.schemas.fingerprint(SESSION_CHECKPOINT))
        self._checkpointed = False
        self._added: list[list[Any]] = []  # since the last mark: the lists that grew, but for the records
        self._marked = (0, 0, 0, False)

    def finished(self, numbers: BatchNumbers, now: int, *, mark: bool) -> TransactionPlan:
        """Return the plan, once everything was added, with its number and the marker that it may need.

        With `mark` it has the marker in any case. `now` in us since 1970 UTC.
        """
        plan = self.plan
        kinds = plan.kinds
        for kind in self._kinds:
            kinds[kind] = kinds.get(kind, 0) + 1
        start = 0
        for end in self._ends:
            plan.events.append(end - start)
            start = end
        if mark or len(plan.batch) or plan.batch.announcement_offset is not None:
            if mark or numbers.wants_marker(beside=self._checkpointed):
                self.checkpoint(MARKER_KEY, numbers.marker(now))
            plan.number = numbers.take()
        return plan

    def mark(self) -> None:
        """Remember this moment for `undo`."""
        self._marked = (len(self._records), len(self._kinds), self.plan.event_bytes, self.plan.cut)
        self._added = self._added and []

    def undo(self) -> None:
        """Take back what was added since the last `mark`."""
        records, kinds, self.plan.event_bytes, self.plan.cut = self._marked
        del self._records[records:], self._kinds[kinds:]
        while self._added:
            self._added.pop().pop()

    def fact(self, fact: Fact) -> None:
        """Add a fact."""
        self._add(self.plan.facts, fact)

    def follow(self, chat: Chat) -> None:
        """Add a chat that the source is to watch."""
        self._add(self.plan.follow, chat)

    def forget(self, session_id: str) -> None:
        """Add a chat that the source need not watch any more."""
        self._add(self.plan.forget, session_id)

    def folded(self, one: Input) -> None:
        """Count an input's events; let the source forget a chat if that reported its end, whatever became of it."""
        self._ends.append(len(self._kinds))
        if not isinstance(one, _ENDING) or not one.ends_chat:
            return
        self.plan.ended.add(one.session_id)
        if self.plan.forget[-1:] != [one.session_id]:  # else it was closed just now
            self.plan.forget.append(one.session_id)

    def _add(self, items: list[_T], item: _T) -> None:
        items.append(item)
        self._added.append(items)

    def room(self, topic: str) -> int:
        """Return the largest value in bytes that fits a record of this topic."""
        return self._settings.limits.get(topic, _USUAL_LIMIT) - _HEADROOM

    def write(self, record: Outgoing) -> None:
        """Add a record."""
        self._records.append(record)

    def certified(self, record: Outgoing) -> None:
        """Note that a record of the plan holds a certificate."""
        self._add(self.plan.certificates, record)

    def forward(self, partition: int, key: bytes, announcement: bytes, headers: Headers) -> None:
        """Add an announcement that is another shard's to take, or to ask; not undone."""
        self._records.append(Outgoing(self._settings.announcements, partition, key, announcement, headers))

    # --- events --------------------------------------------------------------------------------------------------

    def publish(self, chat: Chat, entry: Entry) -> None:
        """Add an event record in each output; where it cannot be published, a GAP takes its place (P2)."""
        if chat.decisive and entry.event is not None and entry.event.user_data:
            chat.learn_user_data(entry.event)
        refused: list[tuple[ChatOutput, Problem]] | None = None
        takers, blocks = 0, _blocks(chat, entry)
        for one in chat.outputs:
            if one.plain or takes(self, chat, one, entry):
                takers += 1
                reason = self.record(chat, one, entry, blocks)
                if reason is not None:
                    refused = [*(refused or ()), (one, reason)]
        if refused is not None:
            self._replace(chat, entry, refused, takers)
        self._kinds.append(entry.kind)
        if entry.event is None and entry.kind == GAP and entry.gap is not None:
            self.fact(GapRecorded(session=chat.session_id, code=entry.gap.code))
        elif entry.event is None and entry.kind == RESUMED:
            self.fact(Resumed(session=chat.session_id))

    def record(self, chat: Chat, one: ChatOutput, entry: Entry, blocks: EntryBlocks | None = None) -> Problem | None:
        """Add an event record in one output; return why not, if it cannot be. A GAP is added in any case.

        `blocks`, if they are there already, are what the record has like those in other outputs.
        """
        recorder, facts = one.recorder, chat.transcript.facts
        head, numbers = recorder.head, recorder.numbers
        if entry.amendment and one.amends_nothing(entry, chat.transcript.delivered):
            return _AMENDS_NOTHING
        try:
            blocks = blocks or recorder.blocks(entry, facts)
            value = recorder.event_record(entry, facts, blocks, one.header)
        except BridgeError as error:
            return Problem(input_codes.NOT_RECORDED, error.message)
        topic, size = one.topic, len(value)
        room = self.room(topic)
        if size - len(one.header) > room and entry.event is not None:
            recorder.head, recorder.numbers, self.plan.cut = head, numbers, True
            return Problem(input_codes.TOO_LARGE, f"a record of {size - len(one.header)} bytes; {room} fit")
        self.plan.event_bytes += size
        self._records.append(Outgoing(topic, self.partition, recorder.key, value, blocks.headers))
        one.added(entry)
        for rule, times in recorder.redacted:
            self.fact(Redacted(action=one.output.recording.redactor.action_of(rule), times=times))
        return None

    def _replace(self, chat: Chat, entry: Entry, refused: list[tuple[ChatOutput, Problem]], takers: int) -> None:
        """Set an event aside where it was refused, and add a GAP there; `takers`: so many outputs were to have it."""
        facts, raw = chat.transcript.facts, json_of(entry.event)
        source, at = facts.server or "", entry.observed_at
        if len(refused) == takers:
            reason = refused[0][1]
            self.quarantine(source, facts.session_id, at, reason, raw, outputs=[one.output for one, _ in refused])
            chat.transcript.withdraw(entry, reason)
            for one in chat.outputs:
                if one.plain or takes(self, chat, one, entry):
                    self.record(chat, one, entry)
            return
        for one, reason in refused:
            self.quarantine(source, facts.session_id, at, reason, raw, outputs=[one.output])
            self.record(chat, one, one.gap(entry, reason))
            self.fact(GapRecorded(session=chat.session_id, code=reason.code))

    # --- quarantine ----------------------------------------------------------------------------------------------

    def quarantine(  # noqa: PLR0913 - the columns of a quarantine record
        self,
        source: str,
        session_id: str | None,
        at: int,
        reason: Problem,
        raw: bytes,
        *,
        total_bytes: int | None = None,
        chat: Chat | None = None,
        outputs: Iterable[Output] | None = None,
    ) -> None:
        """Add quarantined input, in as many records as it needs, to each of `outputs`.

        Without those, to the ones that take input of this chat of which nothing else is known; None: nor the chat.
        """
        if session_id is not None and session_id_problem(session_id):
            session_id = None  # a peer may call a chat anything; what is no id is still in the bytes
        key = (session_id or source).encode()
        if outputs is None:
            outputs = [one for one in self._settings.outputs if one.takes_unknown]
            if chat is not None:
                outputs = [one.output for one in chat.outputs if one.taken and one.output.takes_unreadable]
        for output in outputs:
            topic = output.topics["quarantine"]
            payloads, done = quarantine_records(
                output.recording.schemas,
                site=output.recording.site,
                source=source,
                session_id=session_id,
                observed_at=at,
                reason=reason,
                raw=raw,
                redactor=output.recording.redactor,
                total_bytes=total_bytes,
                part_bytes=min(PART_BYTES, self.room(topic) // 2),
                seal=keys.seal_of_input(session_id) if (keys := output.recording.keys) is not None else None,
            )
            values = [output.payload_headers["quarantine"] + payload for payload in payloads]
            self._records += [Outgoing(topic, self.partition, key, value) for value in values]
            for one in done:
                self.fact(Redacted(action=output.recording.redactor.action_of(one.rule), times=one.times))
        self.fact(Quarantined(session=session_id or "", code=reason.code))

    def quarantine_input(self, given: QuarantinedInput, chat: Chat | None) -> None:
        """Add what the source could not read, of this chat if it is known."""
        at, size = given.observed_at, given.total_bytes
        self.quarantine(given.source, given.session_id, at, given.reason, given.raw, total_bytes=size, chat=chat)

    def quarantine_update(self, update: TranscriptUpdate, reason: Problem, chat: Chat | None = None) -> None:
        """Add what an update says as quarantined input, of this chat if it is known."""
        at, source, told = update.observed_at, update.server, update.transcript
        if told.chat_event_list:
            self.quarantine(source, update.session_id, at, reason, json_of(told), chat=chat)
        self.damaged(update, chat)

    def damaged(self, update: TranscriptUpdate, chat: Chat | None) -> None:
        """Quarantine the events of an update that could not be read."""
        source, at = update.server, update.observed_at
        for one in update.damaged:
            self.quarantine(source, update.session_id, at, one.reason, one.raw, total_bytes=one.length, chat=chat)

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def checkpoint(self, key: str, payload: bytes | None) -> bytes:
        """Add a record of a checkpoint, or of the marker; None deletes it. Return its value."""
        value = None if payload is None else self.checkpoint_header + payload
        self.checkpoint_value(key, value)
        return value or b""

    def checkpoint_value(self, key: str, value: bytes | None) -> None:
        """Add a record of a checkpoint with its payload header; None deletes it."""
        self._records.append(Outgoing(self._settings.checkpoints, self.partition, key.encode(), value))
        self._checkpointed |= value is not None

    def delete_unwritten(self, keys: Iterable[str]) -> None:
        """Delete those of the checkpoints with these keys that the plan does not write."""
        written = {record.key for record in self.plan.batch.on(self._settings.checkpoints)}
        for key in keys:
            if key.encode() not in written:
                self.checkpoint_value(key, None)

    def schemas_of_shard(self) -> bool:
        """Add the schemas with which every other version reads back what the shard writes (P7), before checkpoints.

        Returns whether there are any.
        """
        if self._checkpointed:
            schemas = (schema_record(self._settings.writers.schemas, one) for one in KEPT)
            self._records[:0] = [
                Outgoing(self._settings.checkpoints, self.partition, key.encode(), text) for key, text in schemas
            ]
        return self._checkpointed


def _blocks(chat: Chat, entry: Entry) -> EntryBlocks | None:
    """Return what the records of an entry have alike; None if that cannot be encoded, as each output finds out."""
    try:
        return chat.outputs[0].recorder.blocks(entry, chat.transcript.facts)
    except BridgeError:
        return None
