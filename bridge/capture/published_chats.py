"""What the events and sessions topics say of chats, for a shard whose checkpoints are gone or do not belong to them.

Pure: records in, states out. Ids, sequence, head and counts of a chat are on its records; fingerprints are not, so that
what was published before is taken for unchanged. Its place is in its announcement only.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bridge.records.certificate_checks import least_quarantined
from bridge.records.chain import genesis
from bridge.records.checkpoint_reader import decoded_facts, decoded_gap
from bridge.records.ids import amendment_number
from bridge.records.session_records import CLOSED
from bridge.records.subjects import together
from bridge.transcript.entries import CHANGED, GAP, ID_REUSED, LIVE, RESUMED, Gap, SessionFacts
from bridge.transcript.events import FIRST_ID
from bridge.transcript.gap_codes import OUTPUT_ENDED, UNTIL_JOINED
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
    of the last one. `begins`: the chain of its first record begins with this one.
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
    begins: bool = False
    session: dict[str, Any] | None = None
    announced: SessionFacts | None = None
    state: str = ""
    at: int = 0
    certificate: dict[str, Any] | None = None
    _sequences: IdRanges = field(default_factory=IdRanges)
    _resumed: list[int] = field(default_factory=list)
    _live: int = 0

    @property
    def whole(self) -> bool:
        """Whether its records are there from the first one on, of what an output takes of it."""
        return self.first == 1 or self.begins

    @property
    def rejoined(self) -> int:
        """The sequence of the last RESUMED record after which it went on live, 0 without one."""
        return max((sequence for sequence in self._resumed if sequence < self._live), default=0)

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

    def ends(self, epoch: int, sequence: int) -> bool:
        """Whether it has ended with this record, of which none need be there."""
        told = self.certificate
        return self.ended and told is not None and (told["epoch"], told["lastSequence"]) == (epoch, sequence)

    def take(self, record: dict[str, Any], known: tuple[int, int]) -> None:
        """Take an event record, decoded; `known` is the (epoch, sequence) that the store has.

        The records may be of several outputs, one output after the other. Of a sequence that two of them have, an event
        counts more than a GAP.
        """
        epoch, sequence, kind = record["epoch"], record["sequence"], record["kind"]
        if self.first and epoch < self.epoch:
            return
        if epoch != self.epoch or not self.first:
            self._begin(epoch, sequence)
        newer = (epoch, sequence) > known
        if sequence in self._sequences and not self._takes_place_of_gap(kind, sequence, newer=newer):
            return
        self._sequences.add(sequence)
        self._place(record)
        self.counts[kind] += 1
        self.newer[kind] += newer
        event_id = record["eventId"]
        if record["gap"] is not None:
            at = bisect(self.gap_sequences, sequence)
            self.gaps.insert(at, decoded_gap(record["gap"]))
            self.gap_sequences.insert(at, sequence)
        elif event_id is not None and record["amendment"]:
            self.amendments[event_id] = max(amendment_number(record["id"]), self.amendments.get(event_id, 0))
            self.amended[record["amendment"]] += 1
            self.newer_amended[record["amendment"]] += newer
        elif event_id is not None:
            self.ids.add(event_id)
            if record["origin"] == LIVE:
                self._live = max(self._live, sequence)
        elif kind == RESUMED:
            self._resumed.append(sequence)

    def _place(self, record: dict[str, Any]) -> None:
        sequence, integrity = record["sequence"], record["integrity"]
        if sequence <= self.first:
            self.first = sequence
            self.begins |= integrity["previousHash"] == genesis(self.session_id, self.epoch)
        if sequence >= self.sequence:
            self.sequence, self.head, self.session = sequence, integrity["hash"], record["session"]

    def _takes_place_of_gap(self, kind: str, sequence: int, *, newer: bool) -> bool:
        """Forget a GAP, if there is one where another output has something else."""
        if kind == GAP or sequence not in self.gap_sequences:
            return False
        at = self.gap_sequences.index(sequence)
        del self.gap_sequences[at], self.gaps[at]
        self.counts[GAP] -= 1
        self.newer[GAP] -= newer
        return True

    def _begin(self, epoch: int, sequence: int) -> None:
        self.epoch, self.first, self.sequence, self.begins = epoch, sequence, 0, False
        self.ids, self.counts, self.newer = IdRanges(), Counter(), Counter()
        self.amendments, self.amended, self.newer_amended = {}, Counter(), Counter()
        self.gaps, self.gap_sequences, self._resumed, self._live = [], [], [], 0
        self._sequences = IdRanges()

    def take_session(self, record: dict[str, Any]) -> None:
        """Take the next session record, decoded."""
        self.state, self.at, self.certificate = record["state"], record["at"], record["certificate"]
        self.epoch = max(self.epoch, record["epoch"])
        people = tuple(record["subjects"])
        if self.announced is None:
            self.announced = SessionFacts(self.session_id, tenant=record["tenant"], server=record["server"])
        self.announced = replace(self.announced, subjects=together(self.announced.subjects, people))

    def ends_like(self, other: PublishedChat) -> None:
        """Take over what session records say of the same chat in one output, unless it has only ended there."""
        self.epoch, self.announced = max(self.epoch, other.epoch), other.announced
        told = other.certificate
        if told is None or OUTPUT_ENDED not in told["reasons"]:
            self.state, self.at, self.certificate = other.state, other.at, told

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

    def chat(self, session_id: str) -> PublishedChat:
        """Return a chat, which may be a new one."""
        chat = self.chats.get(session_id)
        if chat is None:
            chat = self.chats[session_id] = PublishedChat(session_id)
        return chat

    def event(self, record: dict[str, Any]) -> None:
        """Take an event record, decoded."""
        session_id = record["sessionId"]
        self.events += 1
        self.chat(session_id).take(record, self._known(session_id))

    def session(self, record: dict[str, Any]) -> None:
        """Take a session record, decoded, once all events were taken."""
        self.chat(record["sessionId"]).take_session(record)
