"""What is not right with the topics, as it was found last: asked again each minute, because others own them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from bridge.adapters.kafka.calls import time_limit
from bridge.errors import EnvironmentFault
from bridge.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.adapters.kafka.topic_plan import RefusedSetting, TopicPlan
    from bridge.errors import Problem
    from bridge.telemetry import Telemetry

_INTERVAL_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 10.0


@dataclass(slots=True, frozen=True, kw_only=True)
class TopicDeviates(Fact):
    """A topic is not as it should be: a reason not to be ready, or a warning; said once as long as it stays so."""

    level: ClassVar[int] = logging.WARNING

    code: str
    detail: str


class Topics(Protocol):
    """Compares topics with what is required."""

    async def plan(self) -> TopicPlan:
        """Compare, and change nothing. Raises EnvironmentFault."""


class TopicWatch:
    """Reasons and warnings about topics. Nothing is asked before the first plan was `found`.

    A setting that Kafka refused when a topic was made stays a warning until the topic has it: only the attempt tells
    that it is refused, and a later plan cannot.
    """

    def __init__(self, topics: Callable[[], Topics], telemetry: Telemetry, monotonic: Callable[[], float]) -> None:
        """`topics` makes what compares; `monotonic` returns seconds."""
        self.reasons: Sequence[Problem] = ()
        self.warnings: Sequence[Problem] = ()
        self._topics = topics
        self._telemetry = telemetry
        self._monotonic = monotonic
        self._due: float | None = None
        self._refused: list[RefusedSetting] = []

    def found(self, plan: TopicPlan) -> None:
        """Take a plan as the present state; what is new in it is logged."""
        before = {*self.reasons, *self.warnings}
        former = [one for one in self._refused if one not in plan.refused and one.lasts(plan.found)]
        self._refused = [*former, *plan.refused]
        self.reasons, self.warnings = tuple(plan.reasons), (*plan.warnings, *(one.problem for one in former))
        self._due = self._monotonic() + _INTERVAL_SECONDS
        for one in (*self.reasons, *self.warnings):
            if one not in before:
                self._telemetry.emit(TopicDeviates(code=one.code, detail=one.detail))

    async def refresh(self) -> None:
        """Compare again if a minute has passed. Without an answer the former one stays: others tell what is wrong."""
        if self._due is None or self._monotonic() < self._due:
            return
        try:
            async with time_limit(_ANSWER_SECONDS, "Kafka did not answer what its topics are like"):
                self.found(await self._topics().plan())
        except EnvironmentFault:
            self._due = self._monotonic() + _INTERVAL_SECONDS
