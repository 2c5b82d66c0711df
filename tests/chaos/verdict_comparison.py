"""The verdicts of certificates beside those that ledger, journal and published events decide."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.chaos.damaged_lines import damage_of
from tests.chaos.ledger_verdicts import judge, read_views
from tests.chaos.published_verdicts import judge_published

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.chaos.ledger_verdicts import FaultTimes, Judgement, Span
    from tests.chaos.published_events import PublishedEvent

_SLACK: Final = 2.0
"""Seconds between what the server does and what the bridge has observed of it."""


@dataclass(slots=True)
class VerdictComparison:
    """`decided` counts the chats of which the ledger alone allows one verdict, `by_published` the others of which it
    does with what was published; `disagree` names those that differ.
    """

    chats: int = 0
    decided: Counter[str] = field(default_factory=Counter)
    by_published: Counter[str] = field(default_factory=Counter)
    undecided: int = 0
    absences: int = 0
    disagree: list[str] = field(default_factory=list)


class ToldVerdict(NamedTuple):
    """What of a certificate is compared. `unwatched` in seconds since 1970 UTC; `all_told`: it lists all intervals."""

    verdict: str
    reasons: list[str]
    unwatched: list[Span]
    all_told: bool


def certificates_of(closed: Mapping[str, dict[str, Any]]) -> dict[str, ToldVerdict]:
    """Return what the certificates of decoded session records say, by session id."""
    return {session_id: _told_by(record["certificate"]) for session_id, record in closed.items()}


def _told_by(certificate: dict[str, Any]) -> ToldVerdict:
    spans = [(_seconds(one["from"]), _seconds(one["to"])) for one in certificate["unwatched"]]
    shortened = certificate["supersedes"] is not None and not certificate["sinceOpening"]
    complete = not (certificate["unwatchedMore"] or shortened)  # otherwise the certificate before it says more
    return ToldVerdict(certificate["verdict"], certificate["reasons"], spans, complete)


def compare_verdicts(
    ledgers: Iterable[Path],
    certificates: Mapping[str, ToldVerdict],
    times: FaultTimes,
    published: Mapping[str, Sequence[PublishedEvent]],
) -> VerdictComparison:
    """Compare the verdict of every chat that was closed with its certificate's, and its absences with the intervals.

    `certificates` are the last ones by session id.
    """
    result = VerdictComparison()
    for path in ledgers:
        views = read_views(path)
        damage = damage_of(views, published, times)
        for session_id, chat in views.items():
            if chat.closed is not None and session_id in certificates:  # a missing one is reported elsewhere
                alone = judge(chat, times)
                also = judge_published(session_id, chat, published.get(session_id, ()), damage)
                _compare(session_id, certificates[session_id], alone, also, result)
    return result


def _compare(session_id: str, told: ToldVerdict, alone: Judgement, also: set[str], result: VerdictComparison) -> None:
    result.chats += 1
    left = alone.allowed & also
    if len(alone.allowed) == 1:
        result.decided.update(alone.allowed)
    elif len(left) == 1:
        result.by_published.update(left)
    else:
        result.undecided += 1
    for allowed, who in ((alone.allowed, "the ledger"), (also, "the ledger, with what was published,")):
        if told.verdict not in allowed:
            result.disagree.append(f"{session_id}: {told.verdict} {told.reasons}, {who} allows {sorted(allowed)}")
    result.disagree += [
        f"{session_id}: unwatched from {begin:.3f} to {end:.3f}, no interval says so"
        for begin, end in alone.absences
        if not _told(begin, end, told)
    ]
    result.absences += len(alone.absences)


def _told(begin: float, end: float, told: ToldVerdict) -> bool:
    """Tell whether an interval of a certificate covers an absence, or may, because it does not list all."""
    if not told.all_told:
        return True
    return any(since <= end + _SLACK and until >= begin - _SLACK for since, until in told.unwatched)


def _seconds(at: Any) -> float:
    """Return a decoded time-stamp as seconds since 1970; infinity for none."""
    return math.inf if at is None else at.timestamp()
