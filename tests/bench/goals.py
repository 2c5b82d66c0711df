"""The goals of the product, as the benchmarks print them beside their figures: with 12 shards, on two cores."""

from __future__ import annotations

from typing import Final

TIMES_SEND: Final = 1.0
"""CPU per event at full load, as a multiple of a bare `send` of the same bytes."""
CHATS_IN_MB: Final = {20_000: 300}
"""Open chats -> megabytes of resident memory that they stay below."""
LATENCY_MS: Final = {500: (10, 40), 4_000: (20, 60)}
"""Events per second -> p50 and p99."""
_CPU_PERCENT: Final = {50: 5, 500: 12, 4_000: 25}
"""Events per second -> share of a core."""
_TRANSACTIONS: Final = {500: 80}
"""Events per second -> transactions per second."""


def goals_at(rate: int) -> str:
    """Return the goals of a worker at so many events per second, in brackets; an empty text where there are none."""
    found = []
    if (percent := _CPU_PERCENT.get(rate)) is not None:
        found.append(f"{percent} % of a core")
    if (latency := LATENCY_MS.get(rate)) is not None:
        found.append("p50 {} ms, p99 {} ms".format(*latency))
    if (most := _TRANSACTIONS.get(rate)) is not None:
        found.append(f"{most} transactions/s")
    return f"  (goal: at most {', '.join(found)})" if found else ""


def memory_goal(chats: int) -> str:
    """Return the goal of a worker that follows so many chats; an empty text where there is none."""
    megabytes = CHATS_IN_MB.get(chats)
    return "" if megabytes is None else f"; goal: below {megabytes} MB"
