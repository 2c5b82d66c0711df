"""One run: faults from the plan until the time is up, everything healed, then the judgement."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos import injectors
from tests.chaos.cluster import Broken, ChaosCluster
from tests.chaos.plan import Fault, Step, steps
from tests.support.ledger_timeline import Calm, read_lives
from tests.support.non_interference import interference
from tests.support.oracle import Judgement, closed_sessions, judge, records_of
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_RSS_BYTES = 400 << 20
_CERTIFICATE_SECONDS = 240
_SETTLE_POLL_SECONDS = 3.0
_SHOWN = 20
_BREAKAGES = (Broken, AssertionError, OSError, subprocess.TimeoutExpired)


@dataclass(slots=True)
class Outcome:
    """What a run came to. `problems` are broken promises beside those of the judgement."""

    seed: int
    seconds: float
    brokers: int
    steps: list[str] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    durations: dict[str, float] = field(default_factory=dict)
    recoveries: list[float] = field(default_factory=list)
    calm: list[Calm] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    judgement: Judgement = field(default_factory=Judgement)
    peaks: dict[int, int] = field(default_factory=dict)
    lost_by_server: int = 0
    restorations: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    caused: Counter[str] = field(default_factory=Counter)

    @property
    def held(self) -> bool:
        """Whether everything that was promised was kept."""
        return not self.problems and self.judgement.clean


def broken_chats(judged: Judgement) -> list[str]:
    """Return what names the chats that have to be looked at, most telling list first."""
    lists = (
        judged.silent,
        judged.withheld,
        judged.wrong,
        judged.duplicates,
        judged.unordered,
        judged.untrue,
        judged.findings,
        judged.unclosed,
    )
    return [name for one in lists for name in one[:_SHOWN]]


def run(stage: ChaosCluster, seconds: float, brokers: int, tell: Callable[[str], None]) -> Outcome:
    """Play, heal, judge. Never raises for what the bridge does: it is in the outcome."""
    outcome = Outcome(stage.seed, seconds, brokers)
    try:
        _play(stage, seconds, outcome, tell)
    except _BREAKAGES as error:
        outcome.problems.append(f"{type(error).__name__}: {error}")
        stage.heal()
        with suppress(*_BREAKAGES):  # what can still be told
            stage.finish()
            _wait_certified(stage)
    outcome.peaks = dict(stage.peaks)
    outcome.problems += [
        f"replica {number} had {peak >> 20} MiB resident"
        for number, peak in outcome.peaks.items()
        if peak > MOST_RSS_BYTES
    ]
    outcome.problems += sorted(set(interference(stage.summaries, stage.journals)))
    outcome.judgement = judge(stage.cluster.bootstrap_servers, stage.prefix, *stage.ledgers, calm=outcome.calm)
    if not outcome.judgement.clean:
        broken = {re.split(r"[ :]", name.removeprefix("chat "))[0] for name in broken_chats(outcome.judgement)}
        lines = records_of(stage.cluster.bootstrap_servers, stage.prefix, broken)
        (stage.folder / "broken-chats.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for ledger in stage.ledgers:
        for life in read_lives(ledger).values():
            outcome.lost_by_server += sum(one.lost_at is not None for one in life.visible())
            outcome.restorations += life.restorations
    for summary in stage.summaries:
        outcome.requests.update(summary["requests"])
        outcome.caused.update(summary["caused"])
    return outcome


def _play(stage: ChaosCluster, seconds: float, outcome: Outcome, tell: Callable[[str], None]) -> None:
    deadline = time.monotonic() + seconds
    plan = steps(stage.seed, outcome.brokers)
    healed = time.time()
    while True:
        recovering = time.monotonic()
        stage.wait_ready()
        stage.wait_followed()
        stage.kafka_was_unavailable = False
        since = time.time()
        if outcome.steps:
            outcome.recoveries.append(time.monotonic() - recovering)
            tell(f"      followed again {outcome.recoveries[-1]:.1f} s after the last fault's end")
        stage.renew()
        step = next(plan)
        if time.monotonic() > deadline:
            break
        time.sleep(step.rest)  # drawn: in this time the line must have come to rest
        outcome.calm.append(Calm(healed, since, time.time()))
        tell(f"{len(outcome.steps) + 1:4}  {step}")
        outcome.steps.append(str(step))
        _suffer(stage, step, outcome)
        healed = time.time()
    outcome.calm.append(Calm(healed, since))
    stage.finish()
    _wait_certified(stage)
    codes = stage.terminate_workers()
    if any(codes.values()):
        raise Broken(f"exit codes after the last SIGTERM: {codes}")


def _suffer(stage: ChaosCluster, step: Step, outcome: Outcome) -> None:
    """Begin and end the faults of a step at their drawn moments."""
    moments: list[tuple[float, bool, Fault]] = []
    for at, fault in step.faults:
        moments += [(at, False, fault), (at + fault.seconds, True, fault)]
        outcome.injected[injectors.name_of(fault)] += 1
        name = injectors.name_of(fault)
        outcome.durations[name] = outcome.durations.get(name, 0.0) + fault.seconds
    begun = time.monotonic()
    for at, is_end, fault in sorted(moments, key=lambda one: one[:2]):
        # How long a fault lasts, and which moment of the other one it hits, is what the plan has drawn.
        time.sleep(max(begun + at - time.monotonic(), 0.0))
        (injectors.end if is_end else injectors.begin)(stage, fault)
    if not any(fault.seconds for _, fault in step.faults):
        time.sleep(step.rest / 4)  # what lasts no time shall have begun to hurt before it is asked for recovery


def _wait_certified(stage: ChaosCluster) -> None:
    what = "some chats have no certificate"
    wait_for(lambda: _all_certified(stage), _CERTIFICATE_SECONDS, what, _SETTLE_POLL_SECONDS)


def _all_certified(stage: ChaosCluster) -> bool:
    closed = closed_sessions(stage.cluster.bootstrap_servers, stage.prefix)
    return all(
        life.closed_at is None or session_id in closed
        for ledger in stage.ledgers
        for session_id, life in read_lives(ledger).items()
    )
