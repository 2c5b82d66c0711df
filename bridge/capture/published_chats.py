"""What the events and sessions topics say of chats, for a shard whose checkpoints are gone or do not belong to them.

Pure: records in, states out. Ids, sequence, head and counts of a chat are on its records; fingerprints are not, so that
what was published before is taken for unchanged. Its place is in its announcement only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bridge.records.certificate_checks import least_quarantined
from bridge.records.checkpoint_reader import decoded_facts, decoded_gap
from bridge.records.ids import amendment_number
from bridge.records.session_records import CLOSED
from bridge.records.subjects import together
from bridge.transcript.entries import CHANGED, ID_REUSED, LIVE, RESUMED, Gap, SessionFacts
from bridge.transcript.events import FIRST_ID
from bridge.transcript.gap_codes import UNTIL_JOINED
from bridge.transcript.ranges import IdRanges
from bridge.transcript.state import TranscriptState
from bridge.transcript.watch import UNKNOWN_WATCH

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class PublishedChat:
    """One chat as its records tell it: those from sequence `first` to `sequence`, of one epoch.

    `amendments` holds the highest number per event id; `amended` counts amendments by what they are. `newer` and
    `newer_amended` count those beyond what the store knows, `newer` by kind. `session` is the decoded one of the last
    event record, `announced` what the first session record says. `state`, `at` and `certificate`, decoded, are those
    of the last one. `resumed` is the sequence of the last RESUMED record, `rejoined` that of the last one after which
    the chat went on live: by then its history was seen to the end.
    """

    session_id: str
    epoch: int = 0
    first: int = 0
    sequence: int = 0
    head: bytes = b""
    ids: IdRanges = field(default_factory=IdRanges)
    counts: Counter[str] = field(default_factory=Counter)
    newer: Counter[str] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    gap_sequences: list[int] = field(default_factory=list)
    amendments: dict[int, int] = field(default_factory=dict)
    amended: Counter[str] = field(default_factory=Counter)
    newer_amended: Counter[str] = field(default_factory=Counter)
    resumed: int = 0
    rejoined: int = 0
    session: dict[str, Any] | None = None
    announced: SessionFacts | None = None
    state: str = ""
    at: int = 0
    certificate: dict[str, Any] | None = None

    @property
    def whole(self) -> bool:
        """Whether all of its records are there."""
        return self.first == 1

    @property
    def ended(self) -> bool:
        """Whether its last certificate is about all of its records, and it was not opened since."""
        told = self.certificate
        return self.state == CLOSED and told is not None and bool(told["lastSequence"] >= self.sequence)

    @property
    def over(self) -> bool:
        """Whether it has ended, and its certificate says that nothing more will come."""
        told = self.certificate
        return self.ended and told is not None and not UNTIL_JOINED & set(told["reasons"])

    def ends(self, state: TranscriptState) -> bool:
        """Whether it has ended with the last record of this state, of which no record need be there."""
        told = self.certificate
        return (
            self.ended and told is not None and (told["epoch"], told["lastSequence"]) == (state.epoch, state.sequence)
        )

    def take(self, record: dict[str, Any], known: tuple[int, int]) -> None:
        """Take the next event record, decoded; `known` is the (epoch, sequence) that the store has."""
        epoch, sequence, kind = record["epoch"], record["sequence"], record["kind"]
        if epoch != self.epoch or not self.first:
            self._begin(epoch, sequence)
        self.sequence, self.head = sequence, record["integrity"]["hash"]
        self.counts[kind] += 1
        self.newer[kind] += (epoch, sequence) > known
        self.session = record["session"]
        event_id = record["eventId"]
        if record["gap"] is not None:
            self.gaps.append(decoded_gap(record["gap"]))
            self.gap_sequences.append(sequence)
        elif event_id is not None and record["amendment"]:
            self.amendments[event_id] = amendment_number(record["id"])
            self.amended[record["amendment"]] += 1
            self.newer_amended[record["amendment"]] += (epoch, sequence) > known
        elif event_id is not None:
            self.ids.add(event_id)
            if record["origin"] == LIVE:
                self.rejoined = self.resumed
        elif kind == RESUMED:
            self.resumed = sequence

    def _begin(self, epoch: int, sequence: int) -> None:
        self.epoch, self.first = epoch, sequence
        self.ids, self.counts, self.newer = IdRanges(), Counter(), Counter()
        self.amendments, self.amended, self.newer_amended = {}, Counter(), Counter()
        self.gaps, self.gap_sequences, self.resumed, self.rejoined = [], [], 0, 0

    def take_session(self, record: dict[str, Any]) -> None:
        """Take the next session record, decoded."""
        self.state, self.at, self.certificate = record["state"], record["at"], record["certificate"]
        self.epoch = max(self.epoch, record["epoch"])
        people = tuple(record["subjects"])
        if self.announced is None:
            self.announced = SessionFacts(self.session_id, tenant=record["tenant"], server=record["server"])
        self.announced = replace(self.announced, subjects=together(self.announced.subjects, people))

    def with_filled(self, state: TranscriptState) -> TranscriptState:
        """Return a state in which gaps that were to last until the chat was joined again are filled if it was."""
        gaps = list(zip(state.gaps, state.gap_sequences, strict=True))
        until_joined = [(gap, at) for gap, at in gaps if gap.to_event_id is None and gap.code in UNTIL_JOINED]
        filled = {at: gap for gap, at in until_joined if at < self.rejoined}
        known = [*state.filled_sequences, *[0] * (len(state.filled) - len(state.filled_sequences))]
        return replace(
            state,
            gaps=[gap for gap, at in gaps if at not in filled],
            gap_sequences=[at for _, at in gaps if at not in filled],
            filled=[*state.filled, *filled.values()],
            filled_sequences=[*known, *filled],
        )

    def transcript(self) -> TranscriptState:
        """Return what the records tell, as the fold goes on from it."""
        ids, facts = self.ids, self.announced or SessionFacts(self.session_id)
        if self.session is not None:
            facts = replace(decoded_facts(self.session_id, self.session), subjects=facts.subjects)
        if self.first > 1 and ids.maximum is not None:
            # What came before has expired: all ids below count as delivered, so that nothing is published twice.
            lowest = ids.pairs()[0][0]
            ids = IdRanges([(min(FIRST_ID, lowest), lowest), *ids.pairs()])
        told = TranscriptState(
            facts,
            sequence=self.sequence,
            id_ranges=ids.pairs(),
            unprinted=ids.pairs(),
            counts={kind: count for kind, count in self.counts.items() if count},
            gaps=list(self.gaps),
            gap_sequences=list(self.gap_sequences),
            amendments=dict(self.amendments),
            amended=self.amended[CHANGED],
            reused=self.amended[ID_REUSED],
            quarantined=least_quarantined(self.gaps),
            rejoins=self.counts[RESUMED],
            joined=self.ids.maximum is not None,
            epoch=self.epoch,
            watch=UNKNOWN_WATCH,
        )
        return self.with_filled(told)

    def closed(self) -> TranscriptState:
        """Return it for a chat that is `over`: what else its certificate vouches for stays vouched for."""
        state, told = self.transcript(), self.certificate
        if told is None:
            return state
        archived = told["archived"]
        filled = [gap for gap in map(decoded_gap, told["filled"]) if gap.to_event_id is None or archived]
        without_detail = [replace(gap, detail=None) for gap in filled]  # a closed chat remembers none
        gaps = list(zip(state.gaps, state.gap_sequences, strict=True))
        kept = [(gap, at) for gap, at in gaps if replace(gap, detail=None) not in without_detail]
        gone = [(gap, at) for gap, at in gaps if replace(gap, detail=None) in without_detail]
        return replace(
            state,
            gaps=[gap for gap, _ in kept],
            gap_sequences=[at for _, at in kept],
            filled=[*state.filled, *(gap for gap, _ in gone)],
            filled_sequences=[*state.filled_sequences, *(at for _, at in gone)],
            archived=archived,
            masked=told["masked"],
            quarantined=told["quarantined"],
            unattributed=told["unattributed"],
        )


class PublishedChats:
    """The chats of one partition, from its records in order."""

    def __init__(self, known: Callable[[str], tuple[int, int]]) -> None:
        """`known` returns the (epoch, sequence) of a chat in the store, (0, 0) of another one."""
        self._known = known
        self.chats: dict[str, PublishedChat] = {}
        self.events = 0

    def _chat(self, session_id: str) -> PublishedChat:
        chat = self.chats.get(session_id)
        if chat is None:
            chat = self.chats[session_id] = PublishedChat(session_id)
        return chat

    def event(self, record: dict[str, Any]) -> None:
        """Take an event record, decoded."""
        session_id = record["sessionId"]
        self.events += 1
        self._chat(session_id).take(record, self._known(session_id))

    def session(self, record: dict[str, Any]) -> None:
        """Take a session record, decoded, once all events were taken."""
        self._chat(record["sessionId"]).take_session(record)
