"""How much this host's clock differs from Kafka's, and whether that matters for the topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.doctor.results.check_result import failed, ok, warning
from bridge.doctor.results.doctor_codes import CLOCK_DIFFERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.adapters.kafka.cluster_look import ClockReading
    from bridge.adapters.kafka.topic_plan import TopicState
    from bridge.doctor.results.check_result import CheckResult

_WARN_SECONDS: Final = 5.0
_RESOLUTION_MS: Final = 1.0
_AHEAD_LIMIT: Final = "message.timestamp.after.max.ms"
_DEFAULT_AHEAD_MS: Final = 3_600_000


def clock_result(reading: ClockReading, topics: Mapping[str, TopicState]) -> CheckResult:
    """Judge the difference, which is known within half of the time that the answer took.

    A clock that is ahead by more than a topic with CreateTime allows stops commits.
    """
    subject = f"controller {reading.node}"
    ahead = ((reading.asked_ms + reading.answered_ms) / 2 - reading.told_ms) / 1_000
    doubt = ((reading.answered_ms - reading.asked_ms) / 2 + _RESOLUTION_MS) / 1_000
    word = "ahead of" if ahead > 0 else "behind"
    how = "asked by DescribeQuorum; the uncertainty is half the time of the answer"
    text = f"this host's clock is {abs(ahead):.3f} s {word} the controller's, within {doubt:.3f} s ({how})"
    limits = {name: limit for name, state in topics.items() if (limit := _limit(state)) is not None}
    if limits and ahead - doubt > min(limits.values()):
        name = min(limits, key=lambda each: limits[each])
        step = f"set the clock by NTP; or set message.timestamp.type=LogAppendTime on {', '.join(sorted(limits))}"
        return failed(subject, CLOCK_DIFFERS, f"{text}: {name} refuses records that are so far ahead", step)
    if abs(ahead) - doubt > _WARN_SECONDS:
        step = "set the clocks of this host and of the brokers by NTP"
        return warning(subject, CLOCK_DIFFERS, f"{text}: certificates, tokens and times of records go by it", step)
    return ok(subject, text)


def _limit(state: TopicState) -> float | None:
    """Return how many seconds a record may be ahead of the broker's clock; None where the broker sets the time."""
    if state.config.get("message.timestamp.type") != "CreateTime":
        return None
    return int(state.config.get(_AHEAD_LIMIT) or _DEFAULT_AHEAD_MS) / 1_000
