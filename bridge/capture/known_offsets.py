"""Where the records of a chat lie in one output, as far as Kafka has acknowledged them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.records.watch_blocks import NO_OFFSETS, ChainOffsets
from bridge.transcript.entries import OffsetRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.capture.chat import Chat
    from bridge.capture.outputs import Output
    from bridge.capture.ports import Outgoing


class KnownOffsets:
    """`known` is what a checkpoint holds. What is acknowledged after the last checkpoint of an owner is never known.

    Therefore the first offset is known only if it was acknowledged to the owner that began the chat here, or is in a
    checkpoint.
    """

    __slots__ = ("_begun", "known")

    def __init__(self, known: ChainOffsets = NO_OFFSETS, *, begun: bool = False) -> None:
        """Go on with what is `known`; `begun`: there are records of the chat already."""
        self.known = known
        self._begun = begun

    def acknowledged(self, kind: str, first: int, last: int) -> None:
        """Take the lowest and the highest offset of the chat's records of one transaction, on the topic of a kind."""
        known, begun = self.known, self._begun
        if kind == "events":
            low = first if known.last_event is None and not begun else known.first_event
            highest = max(last, known.last_event or 0)
            self.known = ChainOffsets(low, highest, known.first_session, known.last_session)
        else:
            low = first if known.last_session is None and not begun else known.first_session
            highest = max(last, known.last_session or 0)
            self.known = ChainOffsets(known.first_event, known.last_event, low, highest)

    def forgotten(self) -> None:
        """Take note that Kafka has lost records of the chat: what was known is no longer true."""
        self.known, self._begun = NO_OFFSETS, True

    def ranges(self, topics: Mapping[str, str], partition: int) -> list[OffsetRange]:
        """Return them for a certificate; `topics`: kind of topic -> its name."""
        known = self.known
        return [
            OffsetRange(topics["events"], partition, known.first_event, known.last_event),
            OffsetRange(topics["sessions"], partition, known.first_session, known.last_session),
        ]


def take_offsets(records: Iterable[Outgoing], chats: Mapping[str, Chat], outputs: Sequence[Output]) -> None:
    """Let chats know where their records of a committed transaction lie; `outputs` are those of all chats."""
    places: dict[str, tuple[int, str]] = {}
    for number, output in enumerate(outputs):
        places[output.topics["events"]] = number, "events"
        places[output.topics["sessions"]] = number, "sessions"
    found: dict[tuple[str, bytes], list[int]] = {}
    for record in records:
        offset, topic = record.offset, record.topic
        if offset is None or topic not in places:
            continue
        span = found.get((topic, record.key))
        if span is None:
            found[topic, record.key] = [offset, offset]
        else:
            span[1] = offset  # the records of a partition are in order
    for (topic, key), (first, last) in found.items():
        chat = chats.get(key.decode())
        if chat is not None:
            number, kind = places[topic]
            chat.outputs[number].offsets.acknowledged(kind, first, last)
