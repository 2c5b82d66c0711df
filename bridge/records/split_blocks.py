"""Encoding of what checkpoints hold of numbers that may be split over messages (`split_numbers`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.records.binary import EMPTY, array, long, optional_long, text
from bridge.records.split_numbers import SplitNumber

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.records.split_numbers import SplitNumbers


def split_block(numbers: Mapping[str, SplitNumbers]) -> bytes:
    """Encode the array of SplitNumbers, given those of each output."""
    return array(_number(output, one) for output, own in numbers.items() for one in own) if numbers else EMPTY


def _number(output: str, number: SplitNumber) -> bytes:
    return b"".join(
        (
            text(output),
            text(number.user_id),
            text(number.detector),
            text(number.stand_in),
            array(map(text, number.records)),
            long(number.event_id),
            optional_long(number.completed_by),
        )
    )


def decoded_split(numbers: Iterable[dict[str, Any]]) -> dict[str, SplitNumbers]:
    """Return a decoded array as `split_block` takes it."""
    found: dict[str, SplitNumbers] = {}
    for one in numbers:
        number = SplitNumber(
            one["userId"],
            one["detector"],
            one["standIn"],
            tuple(one["records"]),
            one["eventId"],
            one["completedBy"],
        )
        found[one["output"]] = (*found.get(one["output"], ()), number)
    return found
