"""`StartWaits`: the telemetry event of a start that waits for something outside."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from bridge.facts import Fact


@dataclass(slots=True, frozen=True, kw_only=True)
class StartWaits(Fact):
    """The start cannot go on before something outside has changed. Said once, as long as it is the same."""

    level: ClassVar[int] = logging.WARNING

    code: str
    detail: str
