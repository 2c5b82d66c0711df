"""Outputs: where the records of all chats go, and in which form. An event is recorded in each of them.

Which topics there are, which rules redact what is written to them, and which schemas they are framed for is an output's
own affair. What the fold decides is the same for all: a chat's sequences are those of every output.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the compiled form looks it up
from collections.abc import Set as AbstractSet  # noqa: TC003 - the compiled form looks it up
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from bridge.capture.known_offsets import KnownOffsets
from bridge.records.held_records import HeldRecords, held_of
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.output_chains import (
    DEFAULT_OUTPUT,
    OutputChain,
    OutputGap,
    certificate_in_output,
    gap_in_output,
    gap_of_beginning,
)
from bridge.records.split_numbers import SplitNumbers
from bridge.records.watch_blocks import NO_OFFSETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.errors import Problem
    from bridge.records.checkpoint import CheckpointHead
    from bridge.records.checkpoint_reader import StoredSession
    from bridge.records.selection import Where
    from bridge.records.watch_blocks import ChainOffsets
    from bridge.transcript.entries import Certificate, Entry
    from bridge.transcript.ranges import IdRanges

RECORD_KINDS: Final = ("events", "sessions", "quarantine")
"""Kinds of topics that each output has."""


@dataclass(slots=True, frozen=True)
class Output:
    """One output. `topics`: kind of topic -> its name; `payload_headers`: kind -> bytes before the Avro payload there.

    `recording` holds the output's redactor; its schemas, site and group are those of all outputs. The name stands in
    checkpoints. `where` is the part of the records that it takes, None: all. `ended`: it takes nothing more, and ends
    the chats that are open there.
    """

    recording: Recording
    topics: Mapping[str, str]
    payload_headers: Mapping[str, bytes]
    name: str = DEFAULT_OUTPUT
    where: Where | None = None
    ended: bool = False

    @property
    def part(self) -> str | None:
        """The part that it takes, as its session records say; None: all."""
        return None if self.where is None else self.where.text()

    @property
    def takes_unreadable(self) -> bool:
        """Whether it takes input that cannot be read, of a chat that it takes: which records it holds is not known."""
        return not self.ended and (self.where is None or not self.where.of_records)

    @property
    def takes_unknown(self) -> bool:
        """Whether it takes input of which the chat is not known."""
        return not self.ended and self.where is None

    def log_kind(self, kind: str) -> str:
        """Return what one of its kinds of topics is called among the logs of a shard: those of all outputs differ."""
        return kind if self.name == DEFAULT_OUTPUT else f"{kind}:{self.name}"


def log_topics(outputs: Iterable[Output]) -> dict[str, str]:
    """Return the topics of outputs whose logs a shard looks at: kind of topic -> its name."""
    return {output.log_kind(kind): output.topics[kind] for output in outputs for kind in ("events", "sessions")}


_Mark = tuple[bytes, SplitNumbers, int, int, bool, bool, HeldRecords | None, int]
_NONE: Final[AbstractSet[int | None]] = frozenset()


class ChatOutput:
    """One chat in one output.

    `first` is the sequence of the first record there, 0 as long as nothing of the chat is there; `last` that of the
    last one. `held` says what is there, None if that is all of the chat. `taken` says whether the chat is one of those
    that the output takes, `told` whether its session records say which part it takes. `certified` is False if
    there is no certificate there since the chat was opened there. `topic` and `header` are those of its events.
    `offsets` says where its records lie, as far as Kafka has acknowledged them.
    """

    __slots__ = (
        "_lacking",
        "_marked",
        "certified",
        "first",
        "gaps",
        "header",
        "held",
        "last",
        "offsets",
        "output",
        "plain",
        "recorder",
        "taken",
        "told",
        "topic",
    )

    def __init__(  # noqa: PLR0913 - what a checkpoint holds of it
        self,
        output: Output,
        recorder: ChatRecorder,
        first: int,
        gaps: Iterable[OutputGap] = (),
        *,
        last: int = 0,
        held: HeldRecords | None = None,
        offsets: KnownOffsets | None = None,
    ) -> None:
        """Go on with the chain of `recorder`; `gaps` are the records that are a GAP in this output only.

        `offsets` None: nothing of the chat is there yet.
        """
        self.offsets = KnownOffsets() if offsets is None else offsets
        self.output = output
        self.topic = output.topics["events"]
        self.header = output.payload_headers["events"]
        self.recorder = recorder
        self.first = first
        self.last = last
        self.held = held
        self.certified = self.taken = self.told = self.plain = True
        self.gaps = tuple(gaps)
        self._lacking: AbstractSet[int | None] = _lacking(self.gaps)
        self._marked: _Mark | None = None
        self.mark()

    def select(self, tenant: str | None, attributes: Mapping[str, str] | None) -> None:
        """Learn what decides whether the output takes the chat; see `Where.takes_chat`."""
        output = self.output
        self.taken = not output.ended and (
            output.where is None or output.where.takes_chat(tenant, attributes, before=self.open)
        )
        self._settle_plain()

    def _settle_plain(self) -> None:
        """`plain`: all records are taken, without a further question."""
        self.plain = self.taken and self.output.where is None and self.held is None and self.first > 0

    @property
    def open(self) -> bool:
        """Whether the chat has begun there, and was not ended because the output takes it no longer."""
        return self.first > 0 and (self.held is None or not self.held.ended)

    @property
    def needs_key(self) -> bool:
        """Whether any record, also a GAP, gives the chat its key in a sealed output: it is OPENED before it there."""
        return self.output.recording.keys is not None and self.taken and not (self.open and self.told)

    def takes(self, entry: Entry) -> bool:
        """Tell whether a record of the chat, which the output takes, is one of its part.

        A change of an event that is not, is not either.
        """
        where, held, event = self.output.where, self.held, entry.event
        if where is None or not where.of_records:
            return True
        if not where.takes(entry):
            return False
        if held is None or event is None or not entry.amendment or entry.reused:
            return True
        return event.event_id in held.ids or self.lacks(event.event_id)

    def begin(self, sequence: int) -> None:
        """Let the chat begin there, for the first time or again, with a record that has this sequence."""
        if self.held is None and (sequence > 1 or self.output.where is not None):
            self.held = HeldRecords()
        self.first = self.first or sequence
        self.certified = False
        if self.held is not None:
            self.held.ended, self.held.certified = False, None
        self.told = True
        self._settle_plain()

    def hold(self, whole: Certificate, *, certified: int | None) -> None:
        """Remember from now on what is there, now that all is: what a certificate of the chat would say.

        `certified` is the sequence of the last certificate, None without one since the chat was opened.
        """
        here = certificate_in_output(whole, self.gaps)
        self.held = HeldRecords(held_of(here, certified=certified if self.certified else None))
        self._settle_plain()

    def added(self, entry: Entry) -> None:
        """Take a record that was added."""
        self.last = entry.sequence
        if self.held is not None:
            self.held.add(entry)

    def mark(self) -> None:
        """Remember this moment for `undo`."""
        held = self.held
        if held is not None:
            held.mark()
        recorder = self.recorder
        at = (recorder.head, recorder.numbers, self.first, self.last, self.certified, self.told, held, len(self.gaps))
        self._marked = at

    def checkpointed(self) -> None:
        """Forget the last `mark`."""
        self._marked = None
        if self.held is not None:
            self.held.checkpointed()

    def undo(self) -> None:
        """Go back to the last `mark`; to be called after one only."""
        if self._marked is None:
            raise RuntimeError("there is no mark to go back to")
        recorder = self.recorder
        recorder.head, recorder.numbers, self.first, self.last, self.certified, self.told, self.held, gaps = (
            self._marked
        )
        if self.held is not None:
            self.held.undo()
        self.gaps = self.gaps[:gaps]
        self._lacking = _lacking(self.gaps)
        self._settle_plain()

    def lacks(self, event_id: int) -> bool:
        """Tell whether an event is a GAP in this output only."""
        return event_id in self._lacking

    def amends_nothing(self, entry: Entry, delivered: IdRanges) -> bool:
        """Tell whether the event that it amends was withdrawn from the very same input, or is a GAP here."""
        event = entry.event
        return event is not None and (event.event_id not in delivered or self.lacks(event.event_id))

    def gap(self, entry: Entry, reason: Problem) -> Entry:
        """Return what is recorded here in the place of an entry that this output cannot take."""
        return self._instead(*gap_in_output(self.output.name, entry, reason))

    def gap_of_beginning(self, sequence: int, at: int) -> Entry:
        """Return what is recorded here for records up to this sequence that this output did not take."""
        return self._instead(*gap_of_beginning(self.output.name, sequence, at))

    def _instead(self, own: OutputGap, instead: Entry) -> Entry:
        self.gaps = (*self.gaps, own)
        self._lacking = self._lacking | {own.event_id}
        return instead

    def certificate(self, certificate: Certificate, partition: int) -> Certificate:
        """Return what can be vouched for here, given what can be for the chat, which lies on this partition."""
        held = self.held
        if held is None:
            own = certificate_in_output(certificate, self.gaps, certified=self.certified)
        else:
            own = held.certificate(certificate, self.gaps)
        return replace(own, offsets=self.offsets.ranges(self.output.topics, partition))


def outputs_of_new_chat(session_id: str, outputs: Iterable[Output]) -> list[ChatOutput]:
    """Return the outputs of a chat of which nothing is recorded yet."""
    return [ChatOutput(output, ChatRecorder(session_id, output.recording), 0) for output in outputs]


def outputs_of_stored_chat(stored: StoredSession, head: CheckpointHead, outputs: Iterable[Output]) -> list[ChatOutput]:
    """Return the outputs of a chat that goes on; `head` is that of its checkpoint.

    In an output that has no chain of it yet, the chain begins with the next record that it takes. A chain of an output
    that there is no more is forgotten.
    """
    chains = {chain.output: chain for chain in head.all_chains()}
    placed = dict(zip_longest(chains, head.offsets, fillvalue=NO_OFFSETS))
    found = []
    for output in outputs:
        chain = chains.get(output.name)
        own = [gap for gap in stored.output_gaps if chain is not None and gap.output == output.name]
        recorder = ChatRecorder(stored.session_id, output.recording, chain.head if chain else None, head.epoch)
        if output.recording.redactor.split_rules:
            recorder.numbers = head.numbers.get(output.name, ())
        if chain is None:
            found.append(ChatOutput(output, recorder, 0))
            continue
        held = None if chain.held is None else HeldRecords(chain.held)
        last = head.sequence if held is None else held.last
        known = KnownOffsets(placed[chain.output], begun=True)
        one = ChatOutput(output, recorder, chain.first, own, last=last, held=held, offsets=known)
        one.told = held is not None or output.where is None  # else it was an output of all records when it was told
        found.append(one)
    return found


def missing_outputs(head: CheckpointHead, outputs: Iterable[Output]) -> tuple[str, ...]:
    """Return the outputs in which a chat has begun and was not ended, and of which there is nothing here any more."""
    known = {one.name for one in outputs}
    chains = [one for one in head.all_chains() if one.output not in known]
    return tuple(one.output for one in chains if one.first and (one.held is None or not one.held.ended))


def chains_of(outputs: Sequence[ChatOutput]) -> tuple[bytes, list[OutputChain]]:
    """Return the chains as a checkpoint holds them: the head of the default output's, if all of the chat is there.

    Then all others. The first is empty if there is no such chain.
    """
    head, chains = b"", []
    for one in outputs:
        if _first_chain(one):
            head = one.recorder.head
        elif one.first:
            held = None if one.held is None else one.held.state()
            chains.append(OutputChain(one.output.name, one.first, one.recorder.head, held))
    return head, chains


def offsets_of(outputs: Sequence[ChatOutput]) -> list[ChainOffsets]:
    """Return the offsets of the chains, in the order in which a checkpoint holds these."""
    found: list[ChainOffsets] = []
    for one in outputs:
        if _first_chain(one):
            found.insert(0, one.offsets.known)
        elif one.first:
            found.append(one.offsets.known)
    return found


def _lacking(gaps: tuple[OutputGap, ...]) -> AbstractSet[int | None]:
    return frozenset([gap.event_id for gap in gaps]) if gaps else _NONE


def _first_chain(one: ChatOutput) -> bool:
    return one.first == 1 and one.held is None and one.output.name == DEFAULT_OUTPUT


def gaps_of(outputs: Sequence[ChatOutput]) -> tuple[OutputGap, ...]:
    """Return the gaps of single outputs."""
    return outputs[0].gaps if len(outputs) == 1 else tuple(gap for one in outputs for gap in one.gaps)


def numbers_of(outputs: Sequence[ChatOutput]) -> dict[str, SplitNumbers]:
    """Return the numbers that may have begun in each output where there are any."""
    return {one.output.name: one.recorder.numbers for one in outputs if one.recorder.numbers}
