"""Mutation tests of the oracle and of the engine's tests: `python -m tests.chaos.mutants`.

A scenario injects the same faults at the same time into two bridges on one broker: the unchanged build and a mutant.
Each has its own Chat Server, with the same seed. The mutant must fail and the unchanged build must pass. So it must be
with the mutants of the engine and their tests (`mutant_tests.py`).
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.errors import EXIT_SIGNAL_BASE
from bridge.sandbox import LocalBroker
from tests.chaos.cluster import EVENTS_TOPIC, TOPIC
from tests.chaos.ledger_verdicts import MARGIN, FaultTimes, SentGarbage
from tests.chaos.mutant_bridge import ALWAYS_COMPLETE, BY_MAXIMUM, CHECKPOINT_FIRST, FAILURE_IGNORED, INTERVAL_DROPPED
from tests.chaos.mutant_tests import ENGINE_MUTANTS, detected
from tests.chaos.mutant_worker import MutantWorker
from tests.chaos.plan import HALF_A_LINE
from tests.chaos.published_events import read_published
from tests.chaos.verdict_comparison import VerdictComparison, certificates_of, compare_verdicts
from tests.support.kafka_tools import alter
from tests.support.ledger_timeline import FaultFreePeriod, read_timelines
from tests.support.oracle import LedgerComparison, closed_sessions, compare_with_ledger
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

AS_IT_IS: Final = "as-it-is"
_SEED: Final = 20
_CHATS: Final = 15  # none of them ends by itself
_FINISH_SECONDS: Final = 8
_TOO_FEW_BYTES: Final = 100
_SETTINGS: Final = {"kafka.session_timeout_seconds": 6}


@dataclass(slots=True)
class MutantRun:
    """One bridge, its Chat Server, its fault-free periods, and the lines that were no messages."""

    build: str
    prefix: str
    folder: Path
    broker: LocalBroker
    fault_free: list[FaultFreePeriod] = field(default_factory=list)
    garbage: list[SentGarbage] = field(default_factory=list)
    bridge: Bridge = field(init=False)
    chats: Simulator = field(init=False)

    def start_bridge(self) -> None:
        log = self.folder / f"{self.prefix}bridge.log"
        servers = self.broker.bootstrap_servers
        if self.build == AS_IT_IS:
            self.bridge = Bridge(servers, log, prefix=self.prefix, worker="worker-1", **_SETTINGS)
        else:
            self.bridge = MutantWorker(self.build, servers, log, prefix=self.prefix, worker="worker-1", **_SETTINGS)

    def kill_bridge(self) -> None:
        self.bridge.kill()

    def start_chats(self) -> None:
        self.chats = Simulator(
            self.folder / f"{self.prefix}log",
            self.folder / f"{self.prefix}jsonl",
            journal=self.folder / f"{self.prefix}journal",
            kafka=self.broker.bootstrap_servers,
            kafka_topic=self.prefix + TOPIC,
            concurrent_chats=_CHATS,
            events_per_second=80,
            mean_events=100_000,
            seed=_SEED,
            finish=_FINISH_SECONDS,
        )

    def captured(self) -> float:
        return self.bridge.metric("chatbridge_events_total")

    def destroyed(self) -> float:
        return self.bridge.metric("chatbridge_quarantined_total")

    def all_followed(self) -> bool:
        """Return whether all chats are open and each has a silent monitor."""
        return [chat["monitored"] for chat in self.chats.open_chats()] == [True] * _CHATS

    def verdicts(self) -> VerdictComparison:
        """Compare the verdicts with those that the ledger decides."""
        closed = closed_sessions(self.broker.bootstrap_servers, self.prefix)
        quiet = [(one.start, one.end) for one in self.fault_free]
        times = FaultTimes(quiet, self.garbage)
        published = read_published(self.broker.bootstrap_servers, self.prefix)
        return compare_verdicts([self.chats.ledger], certificates_of(closed), times, published)

    def compared(self) -> LedgerComparison:
        """End the chats, wait for their certificates, compare."""
        self.chats.summary(60)
        with suppress(AssertionError):  # the comparison says which have no certificate
            wait_for(self._all_certified, 20, "some chats have no certificate", poll=1)
        return compare_with_ledger(
            self.broker.bootstrap_servers, self.prefix, self.chats.ledger, fault_free=self.fault_free
        )

    def _all_certified(self) -> bool:
        closed = closed_sessions(self.broker.bootstrap_servers, self.prefix)
        return all(one.closed_at is None or name in closed for name, one in read_timelines(self.chats.ledger).items())


def _each(
    lines: list[MutantRun], condition: Callable[[MutantRun], object], seconds: float, what: str | Callable[[], str]
) -> None:
    wait_for(lambda: all(condition(line) for line in lines), seconds, what)


def _more_captured(lines: list[MutantRun], events: int) -> None:
    before = {line.prefix: line.captured() for line in lines}
    _each(lines, lambda line: line.captured() >= before[line.prefix] + events, 30, "nothing is captured")


def killed_while_kafka_stands_still(lines: list[MutantRun], broker: LocalBroker) -> float:
    """Kill the bridge while a transaction of every busy shard waits for a paused broker."""
    last_fault_ended = time.time()
    for _ in range(4):
        _more_captured(lines, 100)
        broker.pause()
        stuck = time.monotonic() + 10
        while any(line.bridge.metric("chatbridge_oldest_uncommitted_event_seconds") < 1 for line in lines):
            assert time.monotonic() < stuck, "nothing waits for Kafka"
            time.sleep(0.1)
        for line in lines:
            line.kill_bridge()
        broker.resume()
        last_fault_ended = time.time()
        for line in lines:
            line.start_bridge()
        for line in lines:
            line.bridge.wait_ready()
        _each(lines, MutantRun.all_followed, 30, "not every chat is followed again")
    return last_fault_ended


def a_history_fills_a_hole(lines: list[MutantRun], _: LocalBroker) -> float:
    """Damage a line on every link, wait for more events, then drop the links: the history has the damaged events."""
    links = {line.build: line.bridge.metric("chatbridge_links") for line in lines}
    assert min(links.values()) > 0, links
    begun = time.time()
    for line in lines:
        line.chats.fault("send-raw", text=HALF_A_LINE)
    _each(
        lines,
        lambda line: line.destroyed() >= links[line.build],
        30,
        lambda: f"of one line on each of {links} links these were destroyed: {[line.destroyed() for line in lines]}",
    )
    for line in lines:
        line.garbage.append(SentGarbage(line.chats.ledger.stem, begun, time.time(), HALF_A_LINE))
    _more_captured(lines, 200)
    last_fault_ended = time.time()
    for line in lines:
        line.chats.fault("drop")
    _each(lines, MutantRun.all_followed, 30, "not every chat is followed again")
    return last_fault_ended


def batches_are_refused(lines: list[MutantRun], broker: LocalBroker) -> float:
    """Let Kafka refuse every batch of events for a while, an error that the client's retries cannot resolve."""

    def allow(size: int | None) -> None:
        value = None if size is None else str(size)
        for line in lines:
            alter(broker.bootstrap_servers, line.prefix + EVENTS_TOPIC, "max.message.bytes", value)

    as_it_is = next(line for line in lines if line.build == AS_IT_IS)
    for _ in range(2):
        _more_captured(lines, 100)
        allow(_TOO_FEW_BYTES)
        wait_for(lambda: not as_it_is.bridge.ready, 30, "no batch was refused")
        allow(None)
        as_it_is.bridge.wait_ready()
    return time.time()


def restored_while_nobody_watches(lines: list[MutantRun], _: LocalBroker) -> float:
    """Kill the bridge, and later let the Chat Server lose events that nobody got, in a restart that keeps the ids."""
    begun = time.time()
    wait_for(lambda: time.time() > begun + 3 * MARGIN, 60, "the clock stands still")
    for line in lines:
        line.fault_free.append(FaultFreePeriod(begun, begun, time.time()))
        line.kill_bridge()
    killed = time.time()
    wait_for(lambda: time.time() > killed + 2 * MARGIN, 60, "the clock stands still")
    for line in lines:
        line.chats.fault("restart", downSeconds=0.5, loseLast=3, continueIds=True, agentsReturn=True)
        line.start_bridge()
    for line in lines:
        line.bridge.wait_ready()
    _each(lines, MutantRun.all_followed, 60, "not every chat is followed again")
    return time.time()


SCENARIOS: Final = {
    CHECKPOINT_FIRST: killed_while_kafka_stands_still,
    BY_MAXIMUM: a_history_fills_a_hole,
    FAILURE_IGNORED: batches_are_refused,
    ALWAYS_COMPLETE: restored_while_nobody_watches,
    INTERVAL_DROPPED: restored_while_nobody_watches,
}


@dataclass(slots=True)
class Result:
    """What the oracle found of one build: its events, and its certificates."""

    events: LedgerComparison
    certificates: VerdictComparison

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return self.events.clean and not self.certificates.disagree

    def caught(self, mutant: str) -> bool:
        """Whether the defect shows in what it spoils, not by another symptom only."""
        if mutant in (ALWAYS_COMPLETE, INTERVAL_DROPPED):
            return bool(self.certificates.disagree)
        return bool(self.events.unexplained or self.events.missing_required)

    def __str__(self) -> str:
        return f"{self.events} {self.certificates}"


def check(mutant: str, broker: LocalBroker, folder: Path) -> tuple[Result, Result]:
    """Run a mutant's scenario; return what was found of the unchanged build and of the mutant."""
    lines = [MutantRun(build, f"{mutant}.{build}.", folder, broker) for build in (AS_IT_IS, mutant)]
    with ExitStack() as stack:
        for line in lines:
            line.start_bridge()
            stack.callback(line.kill_bridge)
        for line in lines:
            line.bridge.wait_ready()
            line.start_chats()
            stack.callback(line.chats.kill)
        _each(lines, MutantRun.all_followed, 30, "not every chat is followed")
        last_fault_ended = SCENARIOS[mutant](lines, broker)
        for line in lines:
            line.fault_free.append(FaultFreePeriod(last_fault_ended, time.time()))
            line.chats.send(signal.SIGTERM)
        as_it_is, mutated = (Result(line.compared(), line.verdicts()) for line in lines)
        return as_it_is, mutated


def main() -> int:
    """Check all mutants; exit code 0 when each was caught and the build as it is was clean."""
    failed = 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_SIGNAL_BASE + signal.SIGTERM))  # with all that was started
    with tempfile.TemporaryDirectory(prefix="chatbridge-mutants-") as folder, LocalBroker() as broker:
        for mutant in SCENARIOS:
            begun = time.monotonic()
            as_it_is, mutated = check(mutant, broker, Path(folder))
            caught, clean = mutated.caught(mutant), as_it_is.clean
            failed += not (caught and clean)
            sys.stdout.write(
                f"{mutant}: {'caught' if caught else 'SURVIVED'}, {time.monotonic() - begun:.0f} s\n"
                f"  the mutant:         {mutated}\n"
                f"  the build as it is: {'clean' if clean else 'RED'}: {as_it_is}\n"
            )
            sys.stdout.flush()
    for mutant in ENGINE_MUTANTS:
        begun = time.monotonic()
        caught, clean = detected(mutant)
        failed += not (caught and clean)
        sys.stdout.write(
            f"{mutant}: {'caught' if caught else 'SURVIVED'}, {time.monotonic() - begun:.0f} s\n"
            f"  {ENGINE_MUTANTS[mutant].tests} {'passes' if clean else 'FAILS'} without it\n"
        )
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
