"""Servers of which no link can be had: nobody connects or registers there, though chats wait for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.errors import Problem
from bridge.transcript import link_codes

if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_LINK: Final = Problem(link_codes.UNREACHABLE, "cannot connect or register")


@dataclass(slots=True)
class _Failures:
    """`times` in a row; `reason` and `at` (monotonic) are those of the last one."""

    times: int
    reason: Problem
    at: float


class UnreachableServers:
    """How often in a row no link of a server could be had, and why the last time; forgotten after a pause and a half.

    The addresses come from announcements, so that what is kept has to end.
    """

    def __init__(self, longest_pause: float) -> None:
        """`longest_pause` in seconds is the longest one between two attempts."""
        self._kept_seconds = 1.5 * longest_pause
        self._failures: dict[str, _Failures] = {}

    def failed(self, server: str, reason: Problem, now: float) -> None:
        """Note that a link could not be made, or ended before it was registered."""
        before = self._failures.get(server)
        self._failures[server] = _Failures(1 if before is None else before.times + 1, reason, now)

    def reached(self, server: str) -> None:
        """Note that a link is registered."""
        self._failures.pop(server, None)

    def forget(self, now: float) -> None:
        """Forget the servers that nobody has tried for longer than any pause."""
        for server, failures in list(self._failures.items()):
            if now - failures.at > self._kept_seconds:
                del self._failures[server]

    def reason(self, server: str) -> Problem:
        """Return why the last attempt failed."""
        failures = self._failures.get(server)
        return _NO_LINK if failures is None else failures.reason

    def named(self, least: int) -> Iterator[tuple[str, str]]:
        """Yield each server that failed so often in a row, and a sentence with code and number."""
        for server, failures in self._failures.items():
            if failures.times >= least:
                yield server, f"{failures.times} times in a row: {failures.reason}"
