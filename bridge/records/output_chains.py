"""What differs between the outputs of one chat: where its chain began there, and which records are a GAP there only.

An output holds the records of all chats under its own names of topics and its own rules. Sequences are the same in all
of them, hashes are not: each has a chain of its own, which verifies without the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from bridge.records.binary import data, long, text
from bridge.records.held_records import HeldState, held_block, held_state, misses
from bridge.transcript.completeness import verdict_of, with_set_aside
from bridge.transcript.entries import CHANGED, GAP, ID_REUSED, LIVE, Certificate, Entry, Gap
from bridge.transcript.gap_codes import IDS_REUSED, OUTPUT_ADDED
from bridge.transcript.ranges import IdRanges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.errors import Problem

DEFAULT_OUTPUT: Final = "default"
"""The output that there is without any setting."""


@dataclass(slots=True, frozen=True)
class OutputChain:
    """The chain of one chat in one output. `first` is the sequence of its first record, `head` the hash of its last.

    A chain without a record yet has the start value of the chat's epoch as its head. `held` says what is there, if the
    output does not hold all records of the chat.
    """

    output: str
    first: int
    head: bytes
    held: HeldState | None = None


@dataclass(slots=True, frozen=True)
class OutputGap:
    """A record that is a GAP in one output, and an event in another one.

    `kind` is that of the event; `amendment` is CHANGED or ID_REUSED if the event is an amendment, else None.
    """

    output: str
    sequence: int
    kind: str
    amendment: str | None
    gap: Gap

    @property
    def event_id(self) -> int | None:
        """The id that the output lacks; None if the record is an amendment: then the event itself may be there."""
        return None if self.amendment else self.gap.from_event_id


def chain_block(one: OutputChain) -> bytes:
    """Encode an OutputChain."""
    return text(one.output) + long(one.first) + data(one.head) + held_block(one.held)


def decoded_chain(record: dict[str, Any]) -> OutputChain:
    """Return what `chain_block` encoded, decoded by Avro."""
    return OutputChain(record["output"], record["firstSequence"], record["head"], held_state(record["held"]))


def gap_in_output(output: str, entry: Entry, reason: Problem) -> tuple[OutputGap, Entry]:
    """Return what stands for an event in an output that cannot take it: what is remembered, and what is recorded."""
    event = entry.event
    event_id = None if event is None else event.event_id
    amendment = None
    if entry.amendment:
        amendment = ID_REUSED if entry.reused else CHANGED
    gap = Gap(event_id, event_id, None, reason.code, reason.detail)
    instead = Entry(GAP, entry.sequence, entry.origin, entry.observed_at, gap=gap)
    return OutputGap(output, entry.sequence, entry.kind, amendment, gap), instead


def certificate_in_output(certificate: Certificate, own: Sequence[OutputGap], *, certified: bool = True) -> Certificate:
    """Return what can be vouched for in an output that takes all: the chat's, less what is a GAP there only.

    Not `certified`: the certificate that this one supersedes is not in this output.
    """
    if not own and certified:
        return certificate
    ids = IdRanges(certificate.id_ranges)
    counts = dict(certificate.counts)
    lacking = {one.event_id for one in own if one.event_id is not None}
    for event_id in lacking:
        ids.remove(event_id)
    for one in own:
        counts[one.kind] -= 1
        counts[GAP] = counts.get(GAP, 0) + 1
    filled = [gap for gap in certificate.filled if not misses(gap, lacking)]
    gaps = [
        *certificate.gaps,
        *(gap for gap in certificate.filled if misses(gap, lacking)),
        *(one.gap for one in own),
    ]
    reused = certificate.ids_reused - sum(one.amendment == ID_REUSED for one in own)
    reasons = {*certificate.reasons, *(gap.code for gap in gaps[len(certificate.gaps) :])}
    if not reused:
        reasons.discard(IDS_REUSED)
    return replace(
        certificate,
        verdict=verdict_of(reasons),
        reasons=sorted(reasons),
        counts={kind: count for kind, count in counts.items() if count},
        id_ranges=ids.pairs(),
        gaps=gaps,
        filled=filled,
        holes=with_set_aside(certificate.holes, lacking),
        amendments=certificate.amendments - sum(one.amendment == CHANGED for one in own),
        ids_reused=reused,
        quarantined=certificate.quarantined + len(own),
        supersedes=certificate.supersedes if certified else None,
    )


def gap_of_beginning(output: str, sequence: int, at: int) -> tuple[OutputGap, Entry]:
    """Return what stands for the records of a chat up to one that an output did not take: as `gap_in_output` does.

    `sequence` is that of the last of them, `at` the time in us since 1970 UTC.
    """
    gap = Gap(None, None, None, OUTPUT_ADDED, f"records up to sequence {sequence} are not in this output")
    return OutputGap(output, sequence, GAP, None, gap), Entry(GAP, sequence, LIVE, at, gap=gap)
