"""What the topics of all outputs say of the chats of a shard: of each chat, and of its chain in each output.

Pure. An output may hold a part of a chat: what is known of the chat is what all outputs hold together. Where a chain
ends, and what an output lacks of its chats, its own records say.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from bridge.capture.known_offsets import KnownOffsets
from bridge.capture.outputs import ChatOutput
from bridge.capture.published_chats import PublishedChat, PublishedChats
from bridge.records.held_records import HeldRecords, HeldState
from bridge.records.normalise import ChatRecorder
from bridge.records.output_chains import OutputGap
from bridge.records.session_records import CLOSED
from bridge.transcript.entries import CHANGED, GAP, ID_REUSED
from bridge.transcript.gap_codes import OUTPUT_ADDED, OUTPUT_ENDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bridge.capture.chat import Chat
    from bridge.capture.outputs import Output
    from bridge.transcript.entries import Gap


class PublishedOutputs:
    """The records of one partition of each output. `truncated` are the names of outputs that do not begin at 0."""

    def __init__(self, outputs: Sequence[Output], known: Callable[[str], tuple[int, int]]) -> None:
        """`known` returns the (epoch, sequence) of a chat in the store, (0, 0) of another one."""
        self.outputs = outputs
        self.together = PublishedChats(known)
        self.each = {output.name: PublishedChats(known) for output in outputs}
        self.truncated: set[str] = set()

    def event(self, output: Output, record: dict[str, Any], *, new: bool = False) -> None:
        """Take the next event record of an output, decoded; `new`: nothing of it may tell of a chat.

        Of an output that comes back, the records may be of chats that expired long ago.
        """
        self.each[output.name].event(record)
        told = record["gap"]
        if not new and (told is None or told["code"] != OUTPUT_ADDED):
            self.together.event(record)

    def session(self, output: Output, record: dict[str, Any], *, new: bool = False) -> None:
        """Take the next session record of an output, decoded, once all events were taken."""
        self.each[output.name].session(record)
        if not new:
            session_id = record["sessionId"]
            self.together.chat(session_id).ends_like(self._vouching(session_id))

    def _vouching(self, session_id: str) -> PublishedChat:
        """Return a chat in the output that vouches for most of it: one of all records, or else of the last one."""
        there = [
            (OUTPUT_ENDED not in _reasons(one.certificate), output.where is None, one.epoch, one.sequence, at, one)
            for at, output in enumerate(reversed(self.outputs))
            if (one := self.each[output.name].chats.get(session_id)) is not None and one.state
        ]
        return max(there)[-1]

    def chat(self, session_id: str) -> PublishedChat:
        """Return what is known of a chat; without records, a chat of which there is none."""
        return self.together.chats.get(session_id) or PublishedChat(session_id)

    def lacks_records(self, chat: Chat, epoch: int) -> bool:
        """Tell whether an output lacks records of a chat, which is of this epoch, although all of it was read."""
        for one in chat.outputs:
            name = one.output.name
            there = self.each[name].chats.get(chat.session_id) or PublishedChat(chat.session_id)
            if not one.last or name in self.truncated:
                continue
            if not there.whole or (there.epoch == epoch and there.sequence < one.last):
                return True
        return False

    def comes_back(self, chat: Chat, epoch: int) -> bool:
        """Tell whether an output holds records of a chat that the store has forgotten: it was none meanwhile."""
        return any(not one.first and self._there(one.output, chat.session_id, epoch) for one in chat.outputs)

    def _there(self, output: Output, session_id: str, epoch: int) -> PublishedChat | None:
        there = self.each[output.name].chats.get(session_id)
        return there if there is not None and there.first and there.epoch == epoch else None

    # --- the outputs of a chat -----------------------------------------------------------------------------------

    def outputs_of(self, session_id: str, epoch: int) -> list[ChatOutput]:
        """Return the outputs of a chat of which only records are known; the chain goes on where these end."""
        sequence = self.chat(session_id).sequence
        return [self._output_of(output, session_id, epoch, sequence) for output in self.outputs]

    def outputs_beyond(self, chat: Chat, epoch: int) -> list[ChatOutput]:
        """Return the outputs of a chat of the store, of this epoch, with what was published beyond it."""
        return [self._beyond(one, chat, epoch) for one in chat.outputs]

    def _output_of(self, output: Output, session_id: str, epoch: int, sequence: int) -> ChatOutput:
        """`sequence` is that of the last record of the chat: where one is missing, the chat begins there again."""
        there = self._there(output, session_id, epoch)
        if there is None:
            return ChatOutput(output, ChatRecorder(session_id, output.recording, epoch=epoch), 0)
        together = self.chat(session_id)
        own = self._own_gaps(output.name, there, 0)
        held = None
        behind = output.where is None and there.sequence < sequence
        if output.where is not None or own or behind or there.counts != together.counts:
            state = HeldState(
                ended=behind or _has_ended(there),
                last=there.sequence,
                certified=_certified(there),
                counts=dict(there.counts),
                id_ranges=there.ids.pairs(),
                amended=there.amended[CHANGED],
                reused=there.amended[ID_REUSED],
            )
            held = HeldRecords(state)
        return _continued(output, there, own, there.first, held)

    def _beyond(self, one: ChatOutput, chat: Chat, epoch: int) -> ChatOutput:
        there = self._there(one.output, chat.session_id, epoch)
        if not one.first:
            return self._output_of(one.output, chat.session_id, epoch, chat.transcript.sequence)
        if there is None or there.sequence <= one.last:
            return one
        own = self._own_gaps(one.output.name, there, one.last)
        if one.held is None and own:
            one.hold(chat.transcript.certificate(), certified=None if chat.closed_at is None else one.last)
        held = one.held
        if held is not None:
            before = held.state()
            held = HeldRecords(
                HeldState(
                    ended=_has_ended(there) if there.state else before.ended,
                    last=there.sequence,
                    certified=_certified(there) if there.state else before.certified,
                    counts=dict(there.newer + Counter(before.counts)),
                    id_ranges=[*before.id_ranges, *there.ids.pairs()],
                    amended=before.amended + there.newer_amended[CHANGED],
                    reused=before.reused + there.newer_amended[ID_REUSED],
                )
            )
        return _continued(one.output, there, [*one.gaps, *own], one.first, held)

    def _own_gaps(self, name: str, there: PublishedChat, after: int) -> list[OutputGap]:
        """Return the gaps after a sequence that are in this output only; what they stand for is not known any more.

        One about an event that is there stands for an amendment of it.
        """
        elsewhere = set(self.chat(there.session_id).gap_sequences)
        return [
            OutputGap(name, at, GAP, _of_amendment(gap, there), gap)
            for gap, at in zip(there.gaps, there.gap_sequences, strict=True)
            if at > after and (at not in elsewhere or gap.code == OUTPUT_ADDED)
        ]


def _of_amendment(gap: Gap, there: PublishedChat) -> str | None:
    return ID_REUSED if gap.from_event_id is not None and gap.from_event_id in there.ids else None


def _continued(
    output: Output, there: PublishedChat, own: Iterable[OutputGap], first: int, held: HeldRecords | None
) -> ChatOutput:
    recorder = ChatRecorder(there.session_id, output.recording, there.head, there.epoch)
    known = KnownOffsets(begun=True)
    return ChatOutput(output, recorder, first, own, last=there.sequence, held=held, offsets=known)


def _has_ended(there: PublishedChat) -> bool:
    return OUTPUT_ENDED in _reasons(there.certificate)


def _certified(there: PublishedChat) -> int | None:
    told = there.certificate
    return None if told is None or there.state != CLOSED else told["lastSequence"]


def _reasons(certificate: dict[str, Any] | None) -> list[str]:
    return [] if certificate is None else certificate["reasons"]
