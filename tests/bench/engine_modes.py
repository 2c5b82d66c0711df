"""Both settings of `kafka.transactions`, and the default with a compiled core, side by side."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.topic_manager import TopicNames
from tests.bench.broker_transactions import commit_times
from tests.bench.compiled_bridge import CompiledBridge
from tests.bench.goals import goals_at
from tests.bench.read_topics import latencies, watched
from tests.bench.simulated_chats import FLAT_OUT, announced_chats
from tests.packaging.compiled_environment import CompiledEnvironment
from tests.support.processes import Bridge, wait_for
from tests.support.unique_prefixes import unique_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

RATES: Final = (50, 500, 4_000, FLAT_OUT)
SECONDS: Final = 15.0
_JOINED: Final = 0.99
WAYS: Final = ("shard", "worker", "compiled")
"""How the bridge runs: with this `kafka.transactions`, or by default with a compiled core."""
TURNS: Final = (*WAYS, *WAYS)
"""Each twice in a round: the A/A of the other."""


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """Of one run. Latencies in milliseconds; CPU as a share of one core and in microseconds per event."""

    cpu_share: float
    cpu_us: float
    transactions: float
    half: float
    tail: float
    resident: float

    def __str__(self) -> str:
        """Return all of them, with units."""
        return (
            f"{self.cpu_share * 100:.1f} % of a core, {self.cpu_us:.0f} us per event, {self.transactions:.0f} "
            f"transactions/s, p50 {self.half:.1f} ms, p99 {self.tail:.0f} ms, {self.resident / 1e6:.0f} MB"
        )


def engine_modes(
    broker: str, folder: Path, *, rounds: int, partitions: int, rates: Sequence[int], say: Callable[[str], None]
) -> None:
    """Build the compiled form, and measure each way at each rate, in turns."""
    starts = started_ways(CompiledEnvironment(folder / "compiled"))
    say(
        f"kafka.transactions shard, worker, worker with a compiled core, in turns, {partitions} shards, "
        f"{SECONDS:g} s each"
    )
    for rate in rates:
        found: dict[str, list[EngineFigures]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in TURNS:
                figures = one_run(broker, folder, start=starts[way], rate=rate, partitions=partitions)
                found[way].append(figures)
                say(f"  {rate}/s, {way}: {figures}")
        for way, several in found.items():
            first, second = (statistics.median(one.cpu_us for one in several[half::2]) for half in (0, 1))
            say(
                f"  {rate}/s, {way}, medians: {_median(several, 'cpu_share') * 100:.1f} %, "
                f"{_median(several, 'cpu_us'):.0f} us, {_median(several, 'transactions'):.0f} transactions/s, "
                f"p50 {_median(several, 'half'):.1f} ms, p99 {_median(several, 'tail'):.0f} ms; "
                f"A/A of CPU {first / second:.2f}{goals_at(rate)}"
            )


def started_ways(compiled: CompiledEnvironment) -> Mapping[str, Callable[..., Bridge]]:
    """Return what starts the bridge in each way, given the arguments of `Bridge`."""
    return {
        "shard": partial(Bridge, kafka__transactions="shard"),
        "worker": partial(Bridge, kafka__transactions="worker"),
        "compiled": partial(CompiledBridge, compiled, kafka__transactions="worker"),
    }


def one_run(broker: str, folder: Path, *, start: Callable[..., Bridge], rate: int, partitions: int) -> EngineFigures:
    """Run bridge and simulator once; CPU and transactions are those of the seconds after the joins."""
    chats = int(min(400, max(20, rate * 0.4)))
    prefix = unique_prefix()
    group = f"{prefix}bridge"
    settings = {"kafka__partitions": partitions, "kafka__group": group}
    with start(broker, folder / f"{prefix}bridge.log", prefix=prefix, worker="bench", **settings) as bridge:
        bridge.wait_ready()
        with (
            watched(broker, TopicNames(prefix).events) as seen,
            announced_chats(
                broker,
                folder,
                prefix,
                concurrent_chats=chats,
                events_per_second=rate,
                mean_events=150,
                finish=20 if rate > 1_000 else 1,
            ) as simulator,
        ):
            wait_for(
                lambda: bridge.metric("chatbridge_joins_total", result="answered") >= chats * _JOINED,
                60,
                "not all chats are joined",
            )
            time.sleep(3)
            cpu, began, events = _now(bridge)
            time.sleep(SECONDS)
            cpu_then, ended, events_then = _now(bridge)
            resident = bridge.rss_bytes()
            simulator.terminate(90)
        bridge.terminate()
    delays = sorted(latencies(simulator.ledger, seen))
    half, tail = (delays[int(len(delays) * share)] * 1000 for share in (0.5, 0.99))
    seconds, used = ended - began, cpu_then - cpu
    return EngineFigures(
        cpu_share=used / seconds,
        cpu_us=used / max(events_then - events, 1) * 1e6,
        transactions=sum(began <= at < ended for at in commit_times(broker, group)) / seconds,
        half=half,
        tail=tail,
        resident=resident,
    )


def _now(bridge: Bridge) -> tuple[float, float, float]:
    """Return CPU seconds, the time, and events so far."""
    return bridge.cpu_seconds(), time.time(), bridge.metric("chatbridge_events_total")


def _median(several: Sequence[EngineFigures], name: str) -> float:
    values: list[float] = [getattr(one, name) for one in several]
    return statistics.median(values)
