"""Outputs: where the records of all chats go, and in which form. An event is recorded in each of them.

Which topics there are, which rules redact what is written to them, and which schemas they are framed for is an output's
own affair. What the fold decides is the same for all: a chat's sequences are those of every output.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from bridge.capture.known_offsets import KnownOffsets
from bridge.records.normalise import ChatRecorder
from bridge.records.output_chains import DEFAULT_OUTPUT, OutputChain, OutputGap, certificate_in_output, gap_in_output
from bridge.records.watch_blocks import NO_OFFSETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.errors import Problem
    from bridge.records.checkpoint import CheckpointHead
    from bridge.records.checkpoint_reader import StoredSession
    from bridge.records.normalise import Recording
    from bridge.records.split_numbers import SplitNumbers
    from bridge.records.watch_blocks import ChainOffsets
    from bridge.transcript.entries import Certificate, Entry
    from bridge.transcript.ranges import IdRanges

RECORD_KINDS: Final = ("events", "sessions", "quarantine")
"""Kinds of topics that each output has."""


@dataclass(slots=True, frozen=True)
class Output:
    """One output. `topics`: kind of topic -> its name; `payload_headers`: kind -> bytes before the Avro payload there.

    `recording` holds the output's redactor; its schemas, site and group are those of all outputs. The name stands in
    checkpoints.
    """

    recording: Recording
    topics: Mapping[str, str]
    payload_headers: Mapping[str, bytes]
    name: str = DEFAULT_OUTPUT


class ChatOutput:
    """One chat in one output.

    `first` is the sequence of the first record there, 0 as long as nothing of the chat is there. `certified` is False
    if the chat's last certificate is not there, because the output was added after it. `topic` and `header` are those
    of its events. `offsets` says where its records lie, as far as Kafka has acknowledged them.
    """

    __slots__ = (
        "_lacking",
        "_marked",
        "certified",
        "first",
        "gaps",
        "header",
        "offsets",
        "output",
        "recorder",
        "topic",
    )

    def __init__(
        self,
        output: Output,
        recorder: ChatRecorder,
        first: int,
        gaps: Iterable[OutputGap] = (),
        *,
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
        self.certified = True
        self.gaps = list(gaps)
        self._lacking = {gap.event_id for gap in self.gaps}
        self._marked = (recorder.head, recorder.numbers, first, True, len(self.gaps))

    def mark(self) -> None:
        """Remember this moment for `undo`."""
        self._marked = (self.recorder.head, self.recorder.numbers, self.first, self.certified, len(self.gaps))

    def undo(self) -> None:
        """Go back to the last `mark`."""
        self.recorder.head, self.recorder.numbers, self.first, self.certified, gaps = self._marked
        del self.gaps[gaps:]
        self._lacking = {gap.event_id for gap in self.gaps}

    def lacks(self, event_id: int) -> bool:
        """Tell whether an event is a GAP in this output only."""
        return event_id in self._lacking

    def amends_nothing(self, entry: Entry, delivered: IdRanges) -> bool:
        """Tell whether the event that it amends was withdrawn from the very same input, or is a GAP here."""
        event = entry.event
        return event is not None and (event.event_id not in delivered or self.lacks(event.event_id))

    def gap(self, entry: Entry, reason: Problem) -> Entry:
        """Return what is recorded here in the place of an entry that this output cannot take."""
        own, instead = gap_in_output(self.output.name, entry, reason)
        self.gaps.append(own)
        self._lacking.add(own.event_id)
        return instead

    def certificate(self, certificate: Certificate, partition: int) -> Certificate:
        """Return what can be vouched for here, given what can be for the chat, which lies on this partition."""
        own = certificate_in_output(certificate, self.gaps, self.first, certified=self.certified)
        return replace(own, offsets=self.offsets.ranges(self.output.topics, partition))


def outputs_of_new_chat(session_id: str, outputs: Iterable[Output]) -> list[ChatOutput]:
    """Return the outputs of a chat of which nothing is recorded yet: its chains begin with sequence 1."""
    return [ChatOutput(output, ChatRecorder(session_id, output.recording), 1) for output in outputs]


def outputs_of_stored_chat(stored: StoredSession, head: CheckpointHead, outputs: Iterable[Output]) -> list[ChatOutput]:
    """Return the outputs of a chat that goes on; `head` is that of its checkpoint.

    In an output that has no chain of it yet, the chain begins with the next record. A chain of an output that there is
    no more is forgotten.
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
        known = KnownOffsets(placed[chain.output], begun=True) if chain else None
        found.append(ChatOutput(output, recorder, chain.first if chain else 0, own, offsets=known))
    return found


def chains_of(outputs: Sequence[ChatOutput]) -> tuple[bytes, list[OutputChain]]:
    """Return the chains as a checkpoint holds them: the head of the default output's, if the chat began there; others.

    The first is empty if there is no such chain.
    """
    head, chains = b"", []
    for one in outputs:
        if one.first == 1 and one.output.name == DEFAULT_OUTPUT:
            head = one.recorder.head
        elif one.first:
            chains.append(OutputChain(one.output.name, one.first, one.recorder.head))
    return head, chains


def offsets_of(outputs: Sequence[ChatOutput]) -> list[ChainOffsets]:
    """Return the offsets of the chains, in the order in which a checkpoint holds these."""
    began = [one for one in outputs if one.first]
    first = [one for one in began if one.first == 1 and one.output.name == DEFAULT_OUTPUT]
    return [one.offsets.known for one in (*first, *(other for other in began if other not in first))]


def gaps_of(outputs: Sequence[ChatOutput]) -> list[OutputGap]:
    """Return the gaps of single outputs."""
    return outputs[0].gaps if len(outputs) == 1 else [gap for one in outputs for gap in one.gaps]


def numbers_of(outputs: Sequence[ChatOutput]) -> dict[str, SplitNumbers]:
    """Return the numbers that may have begun in each output where there are any."""
    return {one.output.name: one.recorder.numbers for one in outputs if one.recorder.numbers}


def outputs_of_published_chat(
    session_id: str, outputs: Iterable[Output], epoch: int, head: bytes | None
) -> list[ChatOutput]:
    """Return the outputs of a chat that goes on after the last record of the first output, which has this hash.

    None: nothing is there in this epoch. In the others the chain begins with the next record.
    """
    first, *others = outputs
    return [
        ChatOutput(
            first,
            ChatRecorder(session_id, first.recording, head, epoch),
            1,
            offsets=KnownOffsets(begun=head is not None),
        ),
        *(ChatOutput(output, ChatRecorder(session_id, output.recording, epoch=epoch), 0) for output in others),
    ]
