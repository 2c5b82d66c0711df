"""One chaos run: the plan's faults until the time is up, recovery, then the comparison with the ledgers."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from bridge.errors import BridgeError, KafkaUnavailable
from tests.chaos import injectors, judged_writers
from tests.chaos.cluster import READY_SECONDS, ChaosCluster, ExpectationFailed
from tests.chaos.ledger_verdicts import FaultTimes, SentGarbage, steady_times
from tests.chaos.plan import CHAT, GARBAGE_FAULT, SHARDS, Fault, Step
from tests.chaos.published_events import read_published
from tests.chaos.stored_fill import StoredFill, fill_from_stored
from tests.chaos.verdict_comparison import VerdictComparison, certificates_of, compare_verdicts
from tests.chaos.verdict_files import keep
from tests.evidence.judged_log import JudgedLog
from tests.handover.process_traces import JudgedTraces, judge_traces
from tests.handover.writer_order import JudgedWriters
from tests.support.ledger_timeline import FaultFreePeriod, read_timelines
from tests.support.non_interference import interference
from tests.support.oracle import LedgerComparison, closed_sessions, compare_with_ledger, records_of
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.handover.checkpoint_logs import CheckpointLogs

MOST_RSS_BYTES = 400 << 20
_CERTIFICATE_SECONDS = 240
_HEAD_SECONDS = 120
STEPS_PER_KEY = 4
"""So that in a run of four minutes, as CI has it, several keys sign: heads and proofs are judged across rotations."""
_SETTLE_POLL_SECONDS = 3.0
_SHOWN = 20
_BREAKAGES = (ExpectationFailed, BridgeError, AssertionError, OSError, subprocess.TimeoutExpired)


@dataclass(slots=True)
class Outcome:
    """The result of a run. `problems` are failures besides those of the comparison.

    `disturbing` says of each step whether it had a fault of a worker or a broker.
    """

    seed: int
    seconds: float
    brokers: int
    transactions: str = "worker"
    tls: bool = False
    ready_seconds: float = READY_SECONDS
    steps: list[str] = field(default_factory=list)
    disturbing: list[bool] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    durations: dict[str, float] = field(default_factory=dict)
    recoveries: list[float] = field(default_factory=list)
    fault_free: list[FaultFreePeriod] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    comparison: LedgerComparison = field(default_factory=LedgerComparison)
    peaks: dict[int, int] = field(default_factory=dict)
    lost_by_server: int = 0
    restorations: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    caused: Counter[str] = field(default_factory=Counter)
    verdicts: VerdictComparison = field(default_factory=VerdictComparison)
    garbage: list[SentGarbage] = field(default_factory=list)
    log: JudgedLog = field(default_factory=JudgedLog)
    writers: JudgedWriters = field(default_factory=JudgedWriters)
    traces: JudgedTraces | None = None
    stored: StoredFill | None = None

    @property
    def held(self) -> bool:
        """Whether there is no failure."""
        return not self.problems and self.comparison.clean and not self.verdicts.disagree


def chats_with_defects(comparison: LedgerComparison) -> list[str]:
    """Return the entries that name chats with defects, the most important list first."""
    lists = (
        comparison.unexplained,
        comparison.missing_required,
        comparison.altered,
        comparison.duplicates,
        comparison.unordered,
        comparison.over_too_early,
        comparison.findings,
        comparison.unclosed,
    )
    return [name for one in lists for name in one[:_SHOWN]]


def run(
    cluster: ChaosCluster,
    plan: Iterator[Step],
    seconds: float,
    brokers: int,
    log: Callable[[str], None],
    *,
    stored: bool = False,
) -> Outcome:
    """Run the plan, recover, compare. Failures of the bridge are in the outcome and not raised.

    `stored`: fill what is missing from the stored side of the chats, before the workers end.
    """
    outcome = Outcome(
        cluster.seed,
        seconds,
        brokers,
        transactions=cluster.transactions,
        tls=cluster.tls,
        ready_seconds=cluster.patience * READY_SECONDS,
        stored=StoredFill() if stored else None,
    )
    checkpoints = judged_writers.logs_of(cluster)
    try:
        _run_steps(cluster, plan, seconds, outcome, checkpoints, log=log)
    except _BREAKAGES as error:
        outcome.problems.append(f"{type(error).__name__}: {error}")
        cluster.heal()
        with suppress(*_BREAKAGES):  # compare as much as possible
            cluster.finish()
            _wait_certified(cluster)
    outcome.peaks = dict(cluster.peaks)
    outcome.problems += [
        f"worker {number} had {peak >> 20} MiB resident"
        for number, peak in outcome.peaks.items()
        if peak > MOST_RSS_BYTES
    ]
    try:
        outcome.log = _judged(cluster)
    except _BREAKAGES as error:
        outcome.problems.append(f"the log cannot be judged: {type(error).__name__}: {error}")
    try:
        outcome.writers = judged_writers.writers_of(checkpoints, cluster.patience)
    except KafkaError as error:
        outcome.problems.append(f"who wrote the shards cannot be judged: {type(error).__name__}: {error}")
    if cluster.traces is not None:
        outcome.traces = judge_traces(cluster.traces, SHARDS)
        outcome.problems += outcome.traces.problems
    outcome.problems += [*outcome.log.problems, *of_one_key(outcome), *outcome.writers.problems]
    outcome.problems += sorted(set(interference(cluster.summaries, cluster.journals)))
    outcome.comparison = compare_with_ledger(
        cluster.kafka.bootstrap_servers, cluster.prefix, *cluster.ledgers, fault_free=outcome.fault_free
    )
    quiet = [(one.start, one.end) for one in outcome.fault_free]
    times = FaultTimes(quiet, outcome.garbage, steady_times(quiet, outcome.disturbing))
    told = certificates_of(closed_sessions(cluster.kafka.bootstrap_servers, cluster.prefix))
    published = read_published(cluster.kafka.bootstrap_servers, cluster.prefix)
    keep(cluster.folder, times, told, published)
    if outcome.stored is None:  # what is stored completes chats that nobody watched: no Chat Server tells of that
        outcome.verdicts = compare_verdicts(cluster.ledgers, told, times, published)
    if not outcome.held:
        broken = {one.split(":")[0] for one in outcome.verdicts.disagree[:_SHOWN]} | {
            re.split(r"[ :]", name.removeprefix("chat "))[0] for name in chats_with_defects(outcome.comparison)
        }
        lines = records_of(cluster.kafka.bootstrap_servers, cluster.prefix, broken)
        (cluster.folder / "broken-chats.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for ledger in cluster.ledgers:
        for timeline in read_timelines(ledger).values():
            outcome.lost_by_server += sum(one.lost_at is not None for one in timeline.visible())
            outcome.restorations += timeline.restorations
    for summary in cluster.summaries:
        outcome.requests.update(summary["requests"])
        outcome.caused.update(summary["caused"])
    return outcome


def of_one_key(outcome: Outcome) -> list[str]:
    """Return what is wrong when the key was exchanged, and yet one key signed all heads of a partition."""
    if len(outcome.steps) < STEPS_PER_KEY or outcome.log.signers > 1:
        return []
    return [f"{outcome.log.signers} keys signed heads of each partition: none was judged across a rotation"]


def _run_steps(
    cluster: ChaosCluster,
    plan: Iterator[Step],
    seconds: float,
    outcome: Outcome,
    checkpoints: CheckpointLogs,
    *,
    log: Callable[[str], None],
) -> None:
    deadline = time.monotonic() + seconds
    last_fault_ended = time.time()
    while True:
        recovering = time.monotonic()
        cluster.wait_ready()
        cluster.wait_followed()
        cluster.kafka_was_unavailable = False
        since = time.time()
        if outcome.steps:
            outcome.recoveries.append(time.monotonic() - recovering)
            log(f"      followed again {outcome.recoveries[-1]:.1f} s after the last fault's end")
        cluster.renew()
        judged_writers.read_on(checkpoints)
        step = next(plan)
        if time.monotonic() > deadline:
            break
        time.sleep(step.rest)  # drawn by the plan: everything must be captured within it
        outcome.fault_free.append(FaultFreePeriod(last_fault_ended, since, time.time()))
        log(f"{len(outcome.steps) + 1:4}  {step}")
        outcome.steps.append(str(step))
        outcome.disturbing.append(any(fault.victim != CHAT for _, fault in step.faults))
        if len(outcome.steps) % STEPS_PER_KEY == 0:
            cluster.log.rotate()
        _inject(cluster, step, outcome)
        last_fault_ended = time.time()
    outcome.fault_free.append(FaultFreePeriod(last_fault_ended, since))
    cluster.finish()
    _wait_certified(cluster)
    if outcome.stored is not None:
        outcome.stored = fill_from_stored(cluster)
        outcome.problems += outcome.stored.problems
        log(f"      filled from the stored side in {outcome.stored.seconds:.1f} s")
    what, seconds = "no head covers all certificates", cluster.patience * _HEAD_SECONDS
    wait_for(lambda: not cluster.log.unsaid(), seconds, what, _SETTLE_POLL_SECONDS)
    codes = cluster.terminate_workers()
    if any(codes.values()):
        raise ExpectationFailed(f"exit codes after the last SIGTERM: {codes}")


def _judged(cluster: ChaosCluster) -> JudgedLog:
    """Let the judge see the log; on a machine with other work Kafka may not answer a command in its time."""
    deadline = time.monotonic() + cluster.patience * READY_SECONDS
    while time.monotonic() < deadline:
        with suppress(KafkaUnavailable):
            return cluster.log.judge(SHARDS)
    return cluster.log.judge(SHARDS)


def _inject(cluster: ChaosCluster, step: Step, outcome: Outcome) -> None:
    """Begin and end the faults of a step at their planned times."""
    moments: list[tuple[float, bool, Fault]] = []
    for at, fault in step.faults:
        moments += [(at, False, fault), (at + fault.seconds, True, fault)]
        outcome.injected[injectors.name_of(fault)] += 1
        name = injectors.name_of(fault)
        outcome.durations[name] = outcome.durations.get(name, 0.0) + fault.seconds
    begun = time.monotonic()
    began: dict[int, float] = {}
    for at, is_end, fault in sorted(moments, key=lambda one: one[:2]):
        # The plan determines the duration of a fault and its offset to the other one.
        time.sleep(max(begun + at - time.monotonic(), 0.0))
        if fault.kind == GARBAGE_FAULT and is_end:
            server, text = cluster.servers[fault.number].ledger.stem, str(fault.values["text"])
            outcome.garbage.append(SentGarbage(server, began[fault.number], time.time(), text))
        elif fault.kind == GARBAGE_FAULT:
            began[fault.number] = time.time()
        (injectors.end if is_end else injectors.begin)(cluster, fault)
    if not any(fault.seconds for _, fault in step.faults):
        time.sleep(step.rest / 4)  # an instant fault must take effect before recovery is checked


def _wait_certified(cluster: ChaosCluster) -> None:
    what = "some chats have no certificate"
    seconds = cluster.patience * _CERTIFICATE_SECONDS
    wait_for(lambda: _all_certified(cluster), seconds, what, _SETTLE_POLL_SECONDS)


def _all_certified(cluster: ChaosCluster) -> bool:
    closed = closed_sessions(cluster.kafka.bootstrap_servers, cluster.prefix)
    return all(
        timeline.closed_at is None or session_id in closed
        for ledger in cluster.ledgers
        for session_id, timeline in read_timelines(ledger).items()
    )
