"""The report of a run, as Markdown: what was injected, how often, what held."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.chaos_run import Outcome


def render(outcome: Outcome) -> str:
    """Return the whole report."""
    judged = outcome.judgement
    command = f"python -m tests.chaos --seconds {outcome.seconds:g} --seed {outcome.seed} --brokers {outcome.brokers}"
    verdict = "Everything held." if outcome.held else "RED."
    brokers = "one Kafka broker" if outcome.brokers == 1 else f"{outcome.brokers} Kafka brokers"
    lines = [
        "# Chaos",
        "",
        f"`{command}`: three workers, a Chat Server cluster of two with a standby each, session passwords on,",
        f"{brokers}. **{verdict}**",
        "",
        "## What was injected",
        "",
        "| fault | times | seconds in all |",
        "|---|---:|---:|",
        *(
            f"| {name} | {count} | {outcome.durations.get(name, 0.0):.0f} |"
            for name, count in sorted(outcome.injected.items())
        ),
        f"| **all, in {len(outcome.steps)} steps** | **{outcome.injected.total()}** | |",
        "",
        "## What held",
        "",
        "| promise | breaches |",
        "|---|---:|",
        *(f"| {promise} | {breaches} |" for promise, breaches in _promises(outcome)),
        "",
        "## Figures",
        "",
        "| | |",
        "|---|---:|",
        *(f"| {name} | {value} |" for name, value in _figures(outcome)),
        "",
    ]
    if not outcome.held:
        lines += ["## What broke", "", *(f"* {problem}" for problem in outcome.problems)]
        lines += [f"* {judged}", "", "## The plan so far", "", *(f"1. {step}" for step in outcome.steps), ""]
    return "\n".join(lines)


def _promises(outcome: Outcome) -> list[tuple[str, int]]:
    judged = outcome.judgement
    calm = "nothing missing, told or not, that a silent monitor was shown while nothing was wrong"
    return [
        ("nothing missing without a GAP or an INCOMPLETE certificate that says why", len(judged.silent)),
        (calm, len(judged.withheld)),
        ("no record twice", len(judged.duplicates)),
        ("no content altered or invented", len(judged.wrong)),
        ("live events in order, sequences without holes", len(judged.unordered)),
        ("chains, ids and certificates as `verify` wants them", len(judged.findings)),
        ("no chat called over while it went on", len(judged.untrue)),
        ("every chat that ended has its certificate", len(judged.unclosed)),
        ("back within 90 s, below 400 MiB, exit code 0, nobody's chat disturbed", len(outcome.problems)),
    ]


def _figures(outcome: Outcome) -> list[tuple[str, object]]:
    judged, recoveries = outcome.judgement, outcome.recoveries or [math.nan]
    gone = f"{outcome.lost_by_server} in {outcome.restorations} restorations of chats"
    return [
        ("seed", outcome.seed),
        ("chats", judged.chats),
        ("events that a monitor may see", judged.expected),
        ("of them shown to a silent monitor while nothing was wrong", judged.owed),
        ("records on the events topic", judged.records),
        ("amendments", judged.amendments),
        ("rejoins (RESUMED)", judged.kinds["RESUMED"]),
        ("events that the Chat Servers themselves lost", gone),
        ("of them forgotten before anybody could have them, without a trace on the wire", judged.forgotten),
        ("events missing and told so", len(judged.told)),
        *((f"GAP: {reason}", count) for reason, count in sorted(judged.gaps.items())),
        *((f"certificates {verdict}", count) for verdict, count in sorted(judged.verdicts.items())),
        ("longest time from a fault's end until every chat was followed again", f"{max(recoveries):.1f} s"),
        ("median of that time", f"{statistics.median(recoveries):.1f} s"),
        *((f"peak memory of worker {number}", f"{peak >> 20} MiB") for number, peak in sorted(outcome.peaks.items())),
        *((f"requests: {name}", count) for name, count in sorted(outcome.requests.items())),
        *((f"caused in chats: {name}", count) for name, count in sorted(outcome.caused.items())),
    ]
