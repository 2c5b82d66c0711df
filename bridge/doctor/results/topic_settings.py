"""Which topics are missing, and what deviates in those that exist; judged as `chatbridge topics plan` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.topic_codes import PARTITIONS_DIFFER, PARTITIONS_RISING, TOPIC_CODES
from bridge.adapters.kafka.topic_plan import IN_SYNC, RECORD_LIMIT, RETENTION, compare
from bridge.doctor.results.check_result import failed, ok, warning
from bridge.doctor.results.doctor_codes import NO_LEADER, REPLICAS_BEHIND, WRITES_REFUSED
from bridge.errors import TopicMismatch, TopicMissing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.adapters.kafka.required_topics import Topic
    from bridge.adapters.kafka.topic_plan import TopicState
    from bridge.doctor.results.check_result import CheckResult
    from bridge.errors import Problem

_SHOWN: Final = ("cleanup.policy", RETENTION, RECORD_LIMIT, IN_SYNC, "message.timestamp.type")


def topic_results(
    wanted: Sequence[Topic],
    found: Mapping[str, TopicState],
    *,
    create: bool,
    former: Sequence[int] = (),
    chosen: bool = True,
) -> list[CheckResult]:
    """Return a line per topic, more for one with several deviations, and one where the topics do not fit together.

    `create`: whether `run` creates topics that are missing. `former` and `chosen` as in `compare`.
    """
    lines = [line for topic in wanted for line in _of(topic, found.get(topic.name), create=create, chosen=chosen)]
    together = compare(wanted, found, former=former, chosen=chosen)
    lines += [
        warning("partitions", one.code, one.detail, _step(one))
        for one in together.warnings
        if one.code == PARTITIONS_RISING
    ]
    if together.reasons and together.reasons[0].code == PARTITIONS_DIFFER:
        try:
            together.check()
        except TopicMismatch as error:
            lines.append(failed("partitions", error.code, error.message, error.next_step))
    return lines


def _of(topic: Topic, state: TopicState | None, *, create: bool, chosen: bool) -> Iterator[CheckResult]:
    if state is None:
        missing = TopicMissing(topic.name)
        if create:
            step = "nothing, `chatbridge run` creates it; or `chatbridge topics apply`"
            yield warning(topic.name, missing.code, "does not exist yet", step)
        else:
            text = "does not exist, and kafka.manage_topics is never"
            yield failed(topic.name, missing.code, text, missing.next_step)
        return
    yield from _led(topic.name, state)
    yield from _in_sync(topic.name, state)
    plan = compare([topic], {topic.name: state}, chosen=chosen)
    if plan.reasons:
        yield from (failed(topic.name, one.code, one.detail, _step(one)) for one in plan.reasons)
        return
    yield from (warning(topic.name, one.code, one.detail, _step(one)) for one in plan.warnings)
    behind = state.in_sync is not None and state.in_sync < state.replicas
    if not (plan.warnings or behind or state.leaderless):
        shown = ", ".join(f"{name}={state.config[name]}" for name in _SHOWN if name in state.config)
        yield ok(topic.name, f"{state.partitions} partitions, {state.replicas} replicas, {shown}")


def _led(name: str, state: TopicState) -> Iterator[CheckResult]:
    """Tell partitions without a leader: the last replica that was in sync stays in sync when its broker goes."""
    if state.leaderless:
        text = f"partitions without a leader, so neither read nor written: {', '.join(map(str, state.leaderless))}"
        yield failed(name, NO_LEADER, text, "bring back a broker with a replica of each that was in sync")


def _in_sync(name: str, state: TopicState) -> Iterator[CheckResult]:
    """Tell replicas that lag behind: a broker is down, or too slow."""
    needed = int(state.config.get(IN_SYNC) or 1)
    if state.in_sync is None or state.in_sync >= state.replicas:
        return
    text = f"a partition has {state.in_sync} of {state.replicas} replicas in sync"
    step = "look for brokers that are down, slow or full; replicas catch up by themselves"
    if state.in_sync < needed:
        yield failed(
            name, WRITES_REFUSED, f"{text}, {needed} are needed ({IN_SYNC}): Kafka refuses what is written", step
        )
    else:
        yield warning(name, REPLICAS_BEHIND, f"{text}; {needed} are needed to write ({IN_SYNC})", step)


def _step(problem: Problem) -> str:
    text = TOPIC_CODES[problem.code][1].removesuffix(".")
    return text[0].lower() + text[1:]
