"""The numbers of partitions that the topics had one after the other, as far as a shard goes by them. Pure.

A chat stays on the partition where it was announced first; a new one goes by the last number. So a shard that does not
know a chat asks those first that it may have had under former numbers (`chat_routes.py`).

The numbers that a shard goes by are a position among its checkpoints: written in the first transaction that follows
from them, and there for every later owner, whatever its settings say. The number in the marker stays the first one,
so that a version which knows one number only refuses the checkpoints instead of following chats a second time.
Without former numbers there is no such position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.capture.readiness_codes import PARTITIONS_CHANGED
from bridge.errors import CheckpointsOfOthers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.capture.ports import Headers

PARTITIONS_POSITION: Final = "partitions"
"""The name of the position that holds the numbers."""
MOST_PARTITIONS: Final = 10_000
_ASKED: Final = "asked"
_GROWS: Final = b"+"
_DIGITS: Final = len(str(MOST_PARTITIONS))
NEW_TOPICS = (
    "Kafka cannot lower a number of partitions: use another kafka.topic_prefix and kafka.group with the new one, and "
    "announce the open chats there; or delete the raised topic, if it is that of the announcements, and start again"
)
"""What else can be done when partitions were raised: nothing of it gives a chat two owners on the same topics."""


def encoded_numbers(numbers: Sequence[int], former: Sequence[int]) -> bytes:
    """Return the position that holds the numbers, and says whether the last of them is among the former ones, too."""
    grows = _GROWS if numbers[-1] in former else b""
    return ",".join(map(str, numbers)).encode() + grows


def decoded_numbers(position: bytes | None) -> tuple[int, ...]:
    """Return the numbers in what `encoded_numbers` made; none of no position. Raises ValueError."""
    return () if not position else tuple(map(int, position.removesuffix(_GROWS).split(b",")))


def may_be_raised(position: bytes | None) -> bool:
    """Return whether the shard that wrote the position would go by a higher number, too."""
    return position is not None and position.endswith(_GROWS)


def asked_headers(number: int) -> Headers:
    """Return the headers of what is passed on to the partition that its chat has under a number.

    They say that the shards which the chat has under lower numbers were asked, and do not know it.
    """
    return [(_ASKED, b"%d" % number)]


def asked_number(headers: Iterable[tuple[str, bytes | None]]) -> int | None:
    """Return the number in the headers of a record; None: it was not passed on, as far as can be told."""
    value = next((value for name, value in headers if name == _ASKED), None) or b""  # Kafka has headers without a value
    number = int(value) if value.isdigit() and len(value) <= _DIGITS else 0
    return number if 0 < number <= MOST_PARTITIONS else None


def numbers_to_go_by(known: Sequence[int], former: Sequence[int], there: int) -> tuple[int, ...]:
    """Return the numbers that a shard goes by, ascending; none where there is only one and no former ones are set.

    `known` are those that it went by, or that of its marker; none: nobody had it yet. `former` are those of the
    settings; the topics have `there` partitions. Raises CheckpointsOfOthers when they do not go together.
    """
    if known and (there < known[-1] or (there > known[-1] and known[-1] not in former)):
        raise changed_number(known[-1], there)
    if not former and len(known) <= 1:
        return ()
    first = known[0] if known else 0
    return tuple(sorted({*known, there, *(one for one in former if first <= one <= there)}))


def check_former(known: Sequence[int], former: Sequence[int], there: int) -> None:
    """Compare the settings of a worker that starts with the numbers that a shard went by, or that of its marker.

    Raises CheckpointsOfOthers: a shard that nobody had yet goes by the settings alone.
    """
    for one in known:
        if one != there and (one > there or one not in former):
            raise changed_number(one, there)
    if former and former[-1] > there:
        raise CheckpointsOfOthers(
            f"kafka.partitions_before names {former[-1]} partitions, and the topics have {there}",
            next_step="name only numbers that the topics had, or have",
            code=PARTITIONS_CHANGED,
        )


def changed_number(before: int, there: int) -> CheckpointsOfOthers:
    """Return the error for checkpoints that were written with another number of partitions than the topics have."""
    text = f"the checkpoints were written with {before} partitions, not {there}: chats would be followed from two"
    if before < there:
        step = f"add {before} to kafka.partitions_before, in the settings of all workers and commands; or: {NEW_TOPICS}"
    else:
        step = f"set kafka.partitions={before} if the topics still have as many; or: {NEW_TOPICS}"
    return CheckpointsOfOthers(f"{text} partitions", next_step=step, code=PARTITIONS_CHANGED)
