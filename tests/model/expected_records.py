"""Records and holes as the model and the comparison speak of them."""

from __future__ import annotations

from typing import NamedTuple


class ExpectedHole(NamedTuple):
    """A GAP, without its time and its detail."""

    low: int | None
    high: int | None
    code: str


class Expected(NamedTuple):
    """What has to be on the events topic, as far as the model speaks of it. GAP and RESUMED have no origin here."""

    id: str
    kind: str
    event_id: int | None = None
    origin: str | None = None
    amends: str | None = None
    amendment: str | None = None
    gap: ExpectedHole | None = None
    nickname: str | None = None
    fills: str | None = None


def in_order(holes: list[ExpectedHole]) -> list[ExpectedHole]:
    """Return the holes in the one order in which they are compared: that of a certificate's lists means nothing."""
    return sorted(holes, key=lambda hole: (hole.low or 0, hole.high or 0, hole.code))


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Return (first, last) of each run of numbers without a hole."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
