"""What becomes of chats and their records, each as one dataclass that knows its log line and its metrics.

They are emitted once the transaction is committed that holds what they tell. `session` is the id of the chat; empty for
input of which nobody knows the chat.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bridge.archive.repair_codes import REPAIR_CODES
from bridge.facts import Fact
from bridge.meters import OTHER, REDACTION_ACTIONS, VERDICTS, label
from bridge.transcript.entries import COMPLETE, COMPLETE_WITH_EXPECTED_HOLES
from bridge.transcript.gap_codes import GAP_CODES
from bridge.transcript.input_codes import QUARANTINE_CODES

if TYPE_CHECKING:
    from bridge.meters import Meters


@dataclass(slots=True, frozen=True, kw_only=True)
class GapRecorded(Fact):
    """Events could not be captured; a GAP record marks their place (P2). `code` is one of gap_codes.GAP_CODES."""

    level: ClassVar[int] = logging.WARNING

    session: str
    code: str

    def count(self, meters: Meters) -> None:
        """Count it by code."""
        meters.gaps.labels(label(self.code, GAP_CODES)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class Resumed(Fact):
    """A chat is monitored again after an interruption; a RESUMED record was written (P2)."""

    session: str

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.resumptions.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class Quarantined(Fact):
    """Input was quarantined. `code` is one of input_codes.QUARANTINE_CODES."""

    level: ClassVar[int] = logging.WARNING

    session: str
    code: str

    def count(self, meters: Meters) -> None:
        """Count it by code."""
        meters.quarantined.labels(label(self.code, QUARANTINE_CODES)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatOpened(Fact):
    """A chat is followed from now on."""

    level: ClassVar[int] = logging.DEBUG

    session: str

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.opened.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatClosed(Fact):
    """A chat was closed with a certificate. `joined`: it had been, at least once."""

    level: ClassVar[int] = logging.DEBUG

    session: str
    verdict: str
    joined: bool

    def count(self, meters: Meters) -> None:
        """Count it by verdict, and by how far it came."""
        meters.covered.labels("announced").inc()
        if self.joined:
            meters.covered.labels("joined").inc()
        if self.verdict in (COMPLETE, COMPLETE_WITH_EXPECTED_HOLES):
            meters.covered.labels("complete").inc()
        meters.closed.labels(self.verdict if self.verdict in VERDICTS else OTHER).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class StoredRepaired(Fact):
    """A stored transcript was damaged; `repairs`: code of archive's repair codes -> how often it was made.

    What the damage has cost is a GAP.
    """

    level: ClassVar[int] = logging.WARNING

    session: str
    repairs: dict[str, int]

    def count(self, meters: Meters) -> None:
        """Count them by code."""
        for code, times in self.repairs.items():
            meters.stored_repairs.labels(label(code, REPAIR_CODES)).inc(times)


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatFailed(Fact):
    """A defect of the bridge cost one chat an input; a GAP stands for it. `error`: class name, `at`: stack frames."""

    level: ClassVar[int] = logging.ERROR

    session: str
    error: str
    at: tuple[str, ...]

    def count(self, meters: Meters) -> None:
        """Count it."""
        meters.failures.inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class Redacted(Fact):
    """Values or matches of a committed event were redacted: `times` by an action of meters.REDACTION_ACTIONS."""

    level: ClassVar[int] = logging.DEBUG

    action: str
    times: int

    def count(self, meters: Meters) -> None:
        """Count them by action."""
        meters.redactions.labels(label(self.action, REDACTION_ACTIONS)).inc(self.times)


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatErased(Fact):
    """A chat was forgotten because somebody asked for it: its checkpoint is deleted, and its data key if it has one.

    `request` is the name of the request, as the audit record has it.
    """

    level: ClassVar[int] = logging.WARNING

    session: str
    request: str


@dataclass(slots=True, frozen=True, kw_only=True)
class ErasureRefused(Fact):
    """Somebody asked that a chat be forgotten that is still open; nothing was done. `request` is the request's name."""

    level: ClassVar[int] = logging.WARNING

    session: str
    request: str
