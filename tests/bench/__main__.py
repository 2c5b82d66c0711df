"""`python -m tests.bench [cost] [latency] [memory] [outage] ...`: the figures of docs/performance.md."""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.sandbox import LocalBroker, kafka_or_local
from tests.bench.checkpoint_bytes import checkpoint_costs
from tests.bench.core_costs import core_costs
from tests.bench.engine_modes import RATES, engine_modes
from tests.bench.evidence_costs import evidence_costs
from tests.bench.goals import CHATS_IN_MB, LATENCY_MS, TIMES_SEND, memory_goal
from tests.bench.growth import joined, passing, storm
from tests.bench.outage import outage
from tests.bench.outputs_bench import RULES, outputs_costs
from tests.bench.outputs_in_process import outputs_in_process
from tests.bench.peers.side_by_side import SideBySide
from tests.bench.read_topics import captured, latencies, read, watched
from tests.bench.simulated_chats import FLAT_OUT, announced_chats
from tests.bench.ucs_tables import stored_chats
from tests.bench.verifying import verifying
from tests.support.opened_values import OpenedValues
from tests.support.oracle import closed_sessions, compare_with_ledger
from tests.support.processes import Bridge, wait_for
from tests.support.unique_prefixes import unique_prefix
from tests.support.written_values import WrittenValues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


BENCHMARKS = [
    "cost",
    "latency",
    "memory",
    "outage",
    "checkpoints",
    "ucs",
    "evidence",
    "verify",
    "outputs",
    "storm",
    "passing",
    "peers",
    "core",
    "engine",
]
REPEATS = 3
PEER_SECONDS = 6.0
"""At each rate, in each round: chosen so that three rounds should take a quarter of an hour on a quiet machine."""
LATENCY_RATE = 500
"""Events per second of `latency`."""


def say(text: str = "") -> None:
    print(text, flush=True)


def spread(values: Iterable[float], unit: str) -> str:
    """Median and the whole spread."""
    ordered = sorted(values)
    return f"{statistics.median(ordered):.1f} {unit} (min {ordered[0]:.1f}, max {ordered[-1]:.1f}, n={len(ordered)})"


class Bench:
    """One broker, one folder; each run in topics of its own."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.broker = broker
        self.folder = folder

    def run_line(
        self,
        *,
        seconds: float,
        chats: int,
        rate: float,
        mean_events: int,
        partitions: int,
        settings: Callable[[str], Mapping[str, object]] = lambda _: {},
    ) -> tuple[float, str, Path, int]:
        """Run bridge and simulator; return (CPU us per record on the topic, prefix, ledger, records).

        `settings` returns more settings of the bridge, given the prefix of its topics.
        """
        prefix = unique_prefix()
        more = {"kafka__partitions": partitions, **settings(prefix)}
        with Bridge(self.broker, self.folder / "bridge.log", prefix=prefix, worker="bench", **more) as bridge:
            bridge.wait_ready()
            before = bridge.cpu_seconds()
            with announced_chats(
                self.broker,
                self.folder,
                prefix,
                concurrent_chats=chats,
                events_per_second=rate,
                mean_events=mean_events,
                duration=seconds,
                finish=1,
            ) as simulator:
                started = simulator.summary(seconds + 60)["chats_started"]
                wait_for(lambda: len(closed_sessions(self.broker, prefix)) >= started, 90, "chats are not closed")
            used = bridge.cpu_seconds() - before
            ledger = simulator.ledger
            result = compare_with_ledger(self.broker, prefix, ledger, values=self.values(prefix, more))
            bridge.terminate()
        if not result.clean:
            say(f"    NOT CLEAN: {result}")
        return used / result.records * 1e6, prefix, ledger, result.records

    def values(self, prefix: str, settings: Mapping[str, object]) -> WrittenValues:
        """Return what reads the values of a run, in clear as the ledger has them."""
        master = settings.get("sealing__master_key_file")
        if not isinstance(master, Path):
            return WrittenValues()
        keys = {(one.key() or b"").decode(): one.value() or b"" for one in read(self.broker, TopicNames(prefix).keys)}
        return OpenedValues(master, keys)

    def capture(self, topic: str) -> Path:
        """Store the records of a topic for the bare producer."""
        file = self.folder / "records.msgpack"
        records = [captured(message) for message in read(self.broker, topic)]
        file.write_bytes(msgspec.msgpack.encode(records))
        return file

    def bare(self, file: Path, topic: str, mode: str) -> float:
        """Run the bare producer in a process of its own."""
        command = [sys.executable, "-m", "tests.bench.baseline", str(file), self.broker, topic, mode]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def cost(self, repeats: int, partitions: int, rate: int) -> None:
        """CPU of the bridge process per event, against a bare producer sending the same bytes."""
        say(
            f"CPU per event: simulator at {rate}/s -> bridge -> Kafka, {partitions} shards, "
            "transactions, hash chain, zstd"
        )
        ours: list[float] = []
        first: list[float] = []
        second: list[float] = []
        batched: list[float] = []
        for number in range(repeats):
            figure, prefix, _, records = self.run_line(
                seconds=15, chats=400, rate=rate, mean_events=150, partitions=partitions
            )
            topic = TopicNames(prefix).events
            file = self.capture(topic)
            ours.append(figure)
            first.append(self.bare(file, topic, "send"))
            batched.append(self.bare(file, topic, "batch"))
            second.append(self.bare(file, topic, "send"))
            say(
                f"  run {number + 1}: bridge {figure:.1f} us, bare send {first[-1]:.1f} / {second[-1]:.1f} us (A/A), "
                f"bare send_batch {batched[-1]:.1f} us; {records} records of "
                f"{file.stat().st_size // records} bytes"
            )
        bare = [*first, *second]
        say(f"  bridge:            {spread(ours, 'us')}")
        twice = statistics.median(first) / statistics.median(second)
        say(f"  bare send:         {spread(bare, 'us')}, A/A ratio {twice:.2f}")
        say(f"  bare send_batch:   {spread(batched, 'us')}")
        goal = f"  (goal: at most {TIMES_SEND:.1f})" if rate == FLAT_OUT else ""
        say(f"  ratio to send:       {statistics.median(ours) / statistics.median(bare):.2f}{goal}")
        say(f"  ratio to send_batch: {statistics.median(ours) / statistics.median(batched):.2f}")

    def outputs(self, repeats: int, partitions: int) -> None:
        """CPU of the bridge process per event, with one output and with more."""
        say("Outputs: CPU per event")

        ledger = self.run_line(seconds=8, chats=100, rate=2_000, mean_events=150, partitions=partitions)[2]
        outputs_in_process(ledger, RULES, say)

        def run(settings: Callable[[str], Mapping[str, object]]) -> float:
            return self.run_line(
                seconds=8, chats=400, rate=FLAT_OUT, mean_events=150, partitions=partitions, settings=settings
            )[0]

        say(f"  the whole process, simulator at {FLAT_OUT}/s -> bridge -> Kafka, {partitions} shards:")
        outputs_costs(run, repeats, self.folder, say)

    def latency(self, repeats: int, partitions: int) -> None:
        """Event sent by the simulator -> seen by a read_committed consumer."""
        say(f"Latency at {LATENCY_RATE} events/s, simulator -> read_committed consumer, {partitions} shards")
        halves: list[float] = []
        tails: list[float] = []
        for number in range(repeats):
            prefix = unique_prefix()
            with Bridge(
                self.broker, self.folder / "bridge.log", prefix=prefix, worker="bench", kafka__partitions=partitions
            ) as bridge:
                bridge.wait_ready()
                with (
                    watched(self.broker, TopicNames(prefix).events) as seen,
                    announced_chats(
                        self.broker,
                        self.folder,
                        prefix,
                        concurrent_chats=200,
                        events_per_second=LATENCY_RATE,
                        mean_events=200,
                        duration=20,
                        finish=1,
                    ) as simulator,
                ):
                    simulator.summary(90)
                bridge.terminate()
            delays = sorted(latencies(simulator.ledger, seen))
            half, tail = (delays[int(len(delays) * share)] * 1000 for share in (0.5, 0.99))
            halves.append(half)
            tails.append(tail)
            most = delays[-1] * 1000
            say(f"  run {number + 1}: p50 {half:.1f} ms, p99 {tail:.1f} ms, max {most:.0f} ms, n={len(delays)}")
        for name, found, goal in zip(("p50", "p99"), (halves, tails), LATENCY_MS[LATENCY_RATE], strict=True):
            say(f"  {name}: {spread(found, 'ms')}  (goal: at most {goal})")

    def memory(self, partitions: int) -> None:
        """Resident memory with many chats followed."""
        say("Memory of the bridge process (RSS)")
        for chats in (1_000, 10_000, *CHATS_IN_MB):
            self.memory_with(chats, partitions)

    def memory_with(self, chats: int, partitions: int) -> None:
        """Return the memory with so many chats followed, after ten messages in each."""
        prefix = unique_prefix()
        with Bridge(
            self.broker, self.folder / "bridge.log", prefix=prefix, worker="bench", kafka__partitions=partitions
        ) as bridge:
            bridge.wait_ready()
            idle = bridge.rss_bytes()
            with announced_chats(
                self.broker,
                self.folder,
                prefix,
                concurrent_chats=chats,
                events_per_second=max(1_500, chats / 10),  # as the vendor sizes a server: 500 chats, 50 messages/s
                mean_events=100,
                finish=1,
            ) as simulator:
                # Seldom: with so many chats an answer to each question takes the bridge tens of milliseconds.
                wait_for(lambda: joined(bridge) >= chats * 0.99, 240, "not all chats are followed", poll=2)
                enough = bridge.metric("chatbridge_events_total") + 10 * chats
                wait_for(lambda: bridge.metric("chatbridge_events_total") > enough, 300, "no more events", poll=2)
                events = bridge.metric("chatbridge_events_total")
                say(
                    f"  {chats} chats: {bridge.rss_bytes() / 1e6:.0f} MB after {events:.0f} events "
                    f"(idle {idle / 1e6:.0f} MB{memory_goal(chats)})"
                )
                simulator.kill()
            bridge.kill()


def outages(folder: Path, minutes: float, partitions: int) -> None:
    """Stop a Kafka of its own, once with the default inbox size and once with a small one."""
    say(f"{minutes:g} minutes without Kafka at 500 events/s in 100 chats, {partitions} shards")
    for mebibytes in (64, 8):
        with LocalBroker() as broker:
            seen = outage(broker, folder, seconds=minutes * 60, inbox_bytes=mebibytes << 20, partitions=partitions)
        paused = "reading never paused" if seen.paused_after is None else f"paused after {seen.paused_after:.0f} s"
        say(
            f"  capture.inbox_bytes {mebibytes} MiB: {paused}; most buffered {seen.buffered_most / (1 << 20):.1f} MiB; "
            f"RSS {seen.resident_before / 1e6:.0f} MB before, {seen.resident_most / 1e6:.0f} MB at most; caught up "
            f"{seen.caught_up_after:.1f} s after its end; joins and leaves because of it: {seen.joins_and_leaves}"
        )
        say(f"    compared: {seen.comparison}")


def stored(broker: str, folder: Path, args: argparse.Namespace) -> None:
    """Publish a table of stored chats that are over."""
    say(f"{args.chats} stored chats in PostgreSQL on the same machine, {args.partitions} shards")
    run = stored_chats(broker, folder, args.chats, args.partitions, mean_events=20, say=say)
    say(f"  {run}")


def main() -> None:
    """Run the benchmarks that were named, by default all but `passing`, which takes an hour."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=BENCHMARKS, default=[])
    parser.add_argument("--repeats", type=int, help="default 3, but 1 of `peers` with --seconds")
    parser.add_argument("--seconds", type=float, help="of `peers`, at each rate (default 6)")
    parser.add_argument("--partitions", type=int, default=12, help="shards (default 12, as the product's)")
    parser.add_argument("--minutes", type=float, default=10, help="length of the outage (default 10)")
    parser.add_argument("--chats", type=int, default=100_000, help="rows of `ucs` (default 100000)")
    parser.add_argument("--passing", type=int, default=200_000, help="chats of `passing` (default 200000)")
    parser.add_argument("--passing-minutes", type=float, default=60, help="length of `passing` (default 60)")
    args = parser.parse_args()
    what = args.what or [one for one in BENCHMARKS if one != "passing"]
    say(f"{platform.machine()}, Python {platform.python_version()}; broker on the same machine")
    if "checkpoints" in what:
        checkpoint_costs()
    if "evidence" in what:
        evidence_costs()
    if "verify" in what:
        verifying(args.repeats or REPEATS)
    if "core" in what:
        core_costs()
    with tempfile.TemporaryDirectory(prefix="chatbridge-bench-") as folder:
        if {*what} - {"outage", "checkpoints", "evidence", "verify", "core"}:
            measure(what, args, Path(folder))
        if "outage" in what:
            outages(Path(folder), args.minutes, args.partitions)


def measure(what: list[str], args: argparse.Namespace, folder: Path) -> None:
    """Run the benchmarks that need a running Kafka only."""
    with kafka_or_local() as broker:
        if "engine" in what:
            engine_modes(broker, folder, rounds=args.repeats or 1, partitions=args.partitions, rates=RATES, say=say)
        single_lines(broker, what, args, folder)


def single_lines(broker: str, what: list[str], args: argparse.Namespace, folder: Path) -> None:
    """Run those of one setting."""
    bench = Bench(broker, folder)
    if "cost" in what:
        for rate in (FLAT_OUT, 4_000):
            bench.cost(args.repeats or REPEATS, args.partitions, rate)
    if "outputs" in what:
        bench.outputs(args.repeats or REPEATS, args.partitions)
    if "latency" in what:
        bench.latency(args.repeats or REPEATS, args.partitions)
    if "memory" in what:
        bench.memory(args.partitions)
    if "ucs" in what:
        stored(broker, folder, args)
    if "storm" in what:
        storm(broker, folder, chats=5_000, history=54_000, partitions=args.partitions, say=say)
    if "passing" in what:
        passing(broker, folder, chats=args.passing, minutes=args.passing_minutes, partitions=args.partitions, say=say)
    if "peers" in what:
        rounds = args.repeats or (1 if args.seconds else REPEATS)
        SideBySide(broker, folder, args.seconds or PEER_SECONDS, say).run(rounds)


if __name__ == "__main__":
    main()
