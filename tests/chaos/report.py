"""The report of a run as Markdown: injected faults, promises and breaches, figures."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Final

from tests.chaos.cluster import READY_SECONDS

if TYPE_CHECKING:
    from tests.chaos.chaos_run import Outcome
    from tests.chaos.stored_fill import StoredFill
    from tests.evidence.judged_log import JudgedLog
    from tests.handover.process_traces import JudgedTraces

_VERDICTS: Final = "verdict of every chat as the ledger alone tells, and every absence in its intervals"


def render(outcome: Outcome) -> str:
    """Return the whole report."""
    comparison = outcome.comparison
    command = f"python -m tests.chaos --seconds {outcome.seconds:g} --seed {outcome.seed} --brokers {outcome.brokers}"
    command += "" if outcome.transactions == "worker" else f" --transactions {outcome.transactions}"
    command += " --tls" if outcome.tls else ""
    command += "" if outcome.traces is None else " --traced"
    patience = outcome.ready_seconds / READY_SECONDS
    command += "" if patience == 1 else f" --patience {patience:g}"
    command += "" if outcome.stored is None else " --stored"
    verdict = "Everything held." if outcome.held else "RED."
    brokers = "one Kafka broker" if outcome.brokers == 1 else f"{outcome.brokers} Kafka brokers"
    brokers += ", to which workers and commands connect with TLS and a client certificate" if outcome.tls else ""
    of = "each shard" if outcome.transactions == "shard" else "all shards of a worker"
    lines = [
        "# Chaos",
        "",
        f"`{command}`: three workers, a Chat Server cluster of two with a standby each, session passwords on,",
        f"{brokers}, one transaction for {of}. **{verdict}**",
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
        lines += [f"* {one}" for one in outcome.verdicts.disagree]
        lines += [f"* {comparison}", "", "## The plan so far", "", *(f"1. {step}" for step in outcome.steps), ""]
    return "\n".join(lines)


def _promises(outcome: Outcome) -> list[tuple[str, int]]:
    comparison = outcome.comparison
    required = "nothing missing, reported or not, that a silent monitor was sent in a fault-free period"
    return [
        ("nothing missing without a GAP or an INCOMPLETE certificate that says why", len(comparison.unexplained)),
        (required, len(comparison.missing_required)),
        ("no record twice", len(comparison.duplicates)),
        ("no content altered or invented", len(comparison.altered)),
        ("live events in order, sequences without holes", len(comparison.unordered)),
        ("chains, ids and certificates as `verify` wants them", len(comparison.findings)),
        ("no chat recorded as over while it was open", len(comparison.over_too_early)),
        ("every chat that ended has its certificate", len(comparison.unclosed)),
        *(
            [(_VERDICTS, len(outcome.verdicts.disagree))] if outcome.stored is None else []  # otherwise not compared
        ),
        ("heads, their growth, statements and proofs as Go's libraries want them", len(outcome.log.problems)),
        ("commits by two writers, as Kafka's logs of the shards tell", len(outcome.writers.problems)),
        *(
            [("traces that the model of the hand-over cannot have left", len(outcome.traces.problems))]
            if outcome.traces is not None
            else []
        ),
        (
            f"back within {outcome.ready_seconds:g} s, below 400 MiB, exit code 0, no chat disturbed",
            len(outcome.problems),
        ),
    ]


def _figures(outcome: Outcome) -> list[tuple[str, object]]:
    comparison, recoveries = outcome.comparison, outcome.recoveries or [math.nan]
    gone = f"{outcome.lost_by_server} in {outcome.restorations} restorations of chats"
    return [
        ("seed", outcome.seed),
        ("chats", comparison.chats),
        ("events that a monitor may see", comparison.expected),
        ("of them sent to a silent monitor in fault-free periods", comparison.required),
        ("records on the events topic", comparison.records),
        ("amendments", comparison.amendments),
        ("rejoins (RESUMED)", comparison.kinds["RESUMED"]),
        ("events that the Chat Servers themselves lost", gone),
        (
            "of them lost before they could be captured, with nothing on the wire that shows it",
            comparison.lost_untraceable,
        ),
        ("events missing and recorded as such", len(comparison.explained)),
        *((f"GAP: {reason}", count) for reason, count in sorted(comparison.gaps.items())),
        *((f"certificates {verdict}", count) for verdict, count in sorted(comparison.verdicts.items())),
        *(
            (f"verdicts that the ledger alone decides: {name}", n)
            for name, n in sorted(outcome.verdicts.decided.items())
        ),
        *(
            (f"others that it decides with the ids of published events: {name}", n)
            for name, n in sorted(outcome.verdicts.by_published.items())
        ),
        ("verdicts of which both allow more than one", outcome.verdicts.undecided),
        ("absences in the ledger that a certificate has to tell", outcome.verdicts.absences),
        *_judged(outcome.log),
        ("commits of shards judged in Kafka's logs", f"{outcome.writers.judged} of {outcome.writers.commits}"),
        ("changes of writers in them", outcome.writers.changes),
        *_traced(outcome.traces),
        ("longest time from a fault's end until every chat was followed again", f"{max(recoveries):.1f} s"),
        ("median of that time", f"{statistics.median(recoveries):.1f} s"),
        *_filled(outcome.stored),
        *((f"peak memory of worker {number}", f"{peak >> 20} MiB") for number, peak in sorted(outcome.peaks.items())),
        *((f"requests: {name}", count) for name, count in sorted(outcome.requests.items())),
        *((f"caused in chats: {name}", count) for name, count in sorted(outcome.caused.items())),
    ]


def _judged(log: JudgedLog) -> list[tuple[str, object]]:
    return [
        ("signed heads, of which Go accepts each", log.heads),
        ("pairs of heads of which the later one has grown from the one before", log.growths),
        ("statements about open chats", log.statements),
        ("certificates with a proof that they are in the log", f"{log.inclusions} of {log.certificates}"),
        ("keys that signed heads of each partition", log.signers),
    ]


def _traced(traces: JudgedTraces | None) -> list[tuple[str, object]]:
    if traces is None:
        return []
    return [
        ("commits of shards in the traces of workers that the model of the hand-over accepts", traces.commits),
        ("changes of workers in them", traces.changes),
    ]


def _filled(stored: StoredFill | None) -> list[tuple[str, object]]:
    if stored is None:
        return []
    return [
        ("chats with a stored transcript, sent at the end", stored.chats),
        ("events that were published from it", stored.events),
        ("certificates that supersede a former one", stored.superseded),
        ("gaps that the last certificates call filled", stored.filled),
        ("gaps that are open, of which nothing is stored", stored.left),
        ("time that it took", f"{stored.seconds:.1f} s"),
    ]
