"""The last problems of a worker: reasons not to be ready, and warnings and errors of the log, with times and counts.

At most 50 are remembered. What differs only in numbers is one problem, counted: a server that is away is one line and
not one for each attempt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.overview.worker_report import SeenProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.errors import Problem

MOST: Final = 50
_MOST_CHARACTERS: Final = 300
_NUMBER: Final = re.compile(r"\d+")
_ELSEWHERE: Final = frozenset({"code", "at"})
"""Fields of a log line that are not part of its sentence: the code stands beside it, stack frames stay in the log."""


@dataclass(slots=True)
class _Seen:
    first_at: int
    last_at: int
    code: str
    cause: str
    times: int = 1
    standing: bool = False


class RecentProblems:
    """Problems in the order in which they were last seen. Times in ms since 1970 UTC."""

    def __init__(self) -> None:
        """There are none."""
        self._seen: dict[tuple[str, str], _Seen] = {}

    def happened(self, code: str, cause: str, at: int) -> None:
        """Note something that has no duration."""
        self._note(code, cause, at).standing = False

    def reasons(self, reasons: Iterable[Problem], at: int) -> None:
        """Note why the worker is not ready now; what is not among the reasons any more has ended."""
        now = {_key(one.code, one.detail): one for one in reasons}
        for key, one in self._seen.items():
            if one.standing and key not in now:
                one.standing = False
                one.last_at = at
        for key, reason in now.items():
            known = self._seen.get(key)
            if known is not None and known.standing:
                self._seen[key] = self._seen.pop(key)
                known.last_at, known.cause = at, _shortened(reason.detail)
            else:
                self._note(reason.code, reason.detail, at).standing = True

    def listed(self) -> list[SeenProblem]:
        """Return them, the one that was seen last first."""
        return [
            SeenProblem(
                first_at=one.first_at,
                last_at=one.last_at,
                times=one.times,
                standing=one.standing,
                code=one.code,
                cause=one.cause,
            )
            for one in reversed(self._seen.values())
        ]

    def _note(self, code: str, cause: str, at: int) -> _Seen:
        key = _key(code, cause)
        known = self._seen.pop(key, None)
        if known is None:
            known = _Seen(at, at, code, _shortened(cause))
            if len(self._seen) >= MOST:
                del self._seen[next(iter(self._seen))]
        else:
            known.last_at, known.cause = at, _shortened(cause)
            known.times += 1
        self._seen[key] = known
        return known


def sentence(name: str, line: Mapping[str, object]) -> tuple[str, str]:
    """Return code and cause of a log line with this name: the line's own code, or its name in capitals."""
    told = [_told(field, value) for field, value in line.items() if field not in _ELSEWHERE]
    event = name.replace("_", " ")
    return str(line.get("code") or name.upper()), f"{event}: {', '.join(told)}" if told else event


def _told(field: str, value: object) -> str:
    if field in {"server", "detail", "error"}:
        return str(value)
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    return f"{field.replace('_', ' ')} {text}"


def _key(code: str, cause: str) -> tuple[str, str]:
    return code, _NUMBER.sub("#", _shortened(cause))


def _shortened(cause: str) -> str:
    return cause if len(cause) <= _MOST_CHARACTERS else cause[: _MOST_CHARACTERS - 1] + "…"
