"""Telemetry events about the reading of UCS."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from bridge.facts import Fact
from bridge.meters import label
from bridge.sources.ucs.feeder_codes import MISSING_CODES

if TYPE_CHECKING:
    from bridge.meters import Meters


@dataclass(slots=True, frozen=True, kw_only=True)
class UcsReadFailed(Fact):
    """UCS cannot be read. Said once, as long as the code is the same. `database`: main, archive, or http."""

    level: ClassVar[int] = logging.WARNING

    database: str
    code: str
    detail: str


@dataclass(slots=True, frozen=True, kw_only=True)
class UcsReadAgain(Fact):
    """A database of UCS that could not be read for `seconds` is read again."""

    database: str
    seconds: float


@dataclass(slots=True, frozen=True, kw_only=True)
class UcsRowsRead(Fact):
    """Rows were read. `texts` were fetched; of them `passed_on` final ones and `running` ones go to the chats' shards.

    `passed_on` includes texts that have changed after they were passed on as final, which are `changed`.
    """

    level: ClassVar[int] = logging.DEBUG

    database: str
    rows: int
    texts: int
    passed_on: int
    running: int
    changed: int

    def count(self, meters: Meters) -> None:
        """Count rows and texts."""
        meters.ucs_rows.inc(self.rows)
        meters.ucs_texts.labels("final").inc(self.passed_on - self.changed)
        meters.ucs_texts.labels("changed").inc(self.changed)
        meters.ucs_texts.labels("running").inc(self.running)


@dataclass(slots=True, frozen=True, kw_only=True)
class StoredChatMissing(Fact):
    """The text of a chat cannot be passed on. `code` says why, `detail` what the driver says. `session`: its id."""

    level: ClassVar[int] = logging.WARNING

    session: str
    code: str
    detail: str

    def count(self, meters: Meters) -> None:
        """Count the chat."""
        meters.ucs_missing.labels(label(self.code, MISSING_CODES)).inc()


@dataclass(slots=True, frozen=True, kw_only=True)
class StartDateOffsetSeen(Fact):
    """STARTDATE of a row is not UTC: it lies `minutes` from the start in the transcript. Said once for each number.

    With rows of several offsets, `sources.ucs.overlap_seconds` has to cover the difference.
    """

    level: ClassVar[int] = logging.WARNING

    database: str
    minutes: int
