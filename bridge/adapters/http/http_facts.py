"""What the HTTP server tells of requests, each as one dataclass that knows its log line and its metrics."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bridge.facts import Fact
from bridge.meters import HTTP_CODES, HTTP_PATHS, OTHER

if TYPE_CHECKING:
    from bridge.meters import Meters


@dataclass(slots=True, frozen=True, kw_only=True)
class RequestAnswered(Fact):
    """A request was answered. The path is one of meters.HTTP_PATHS or `other`: what clients send is not repeated."""

    level: ClassVar[int] = logging.DEBUG

    path: str
    status: int

    @classmethod
    def of(cls, path: str, status: int) -> RequestAnswered:
        """Return the fact for a path as it was requested."""
        return cls(path=path if path in HTTP_PATHS else OTHER, status=status)

    def count(self, meters: Meters) -> None:
        """Count it by path and status."""
        code = str(self.status)
        path = self.path if self.path in HTTP_PATHS else OTHER
        meters.http_requests.labels(path, code if code in HTTP_CODES else OTHER).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class LogLevelSet(Fact):
    """The administrator set the level of the log. `token` is the name of a setting, `address` the caller's."""

    level: ClassVar[int] = logging.WARNING
    always: ClassVar[bool] = True

    before: str
    after: str
    token: str
    address: str


@dataclass(slots=True, frozen=True, kw_only=True)
class JoinsSwitched(Fact):
    """The administrator paused joins, or had them go on. `token` is the name of a setting, `address` the caller's."""

    level: ClassVar[int] = logging.WARNING
    always: ClassVar[bool] = True

    paused: bool
    token: str
    address: str
