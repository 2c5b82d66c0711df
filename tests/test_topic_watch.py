"""TopicWatch: each deviation is said once as long as it stays, and asked for again each minute."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from bridge.adapters.kafka.topic_plan import RefusedSetting, TopicPlan, TopicState
from bridge.errors import KafkaUnavailable, Problem
from bridge.telemetry import Telemetry
from bridge.topic_watch import TopicWatch
from tests.capture.link_surroundings import FakeClock

if TYPE_CHECKING:
    import pytest

ONE, OTHER = (
    Problem("ONE_REPLICA", "events has one replica"),
    Problem("RETENTION_LONGER", "events keeps records longer"),
)
POLICY = Problem("CLEANUP_POLICY", "events is compacted")
REFUSED = RefusedSetting("events", "segment.bytes", "1000", created=True, text="a policy")


class ScriptedTopics:
    """Topics that are found as these plans say, one after the other; None: Kafka does not answer."""

    def __init__(self, *plans: TopicPlan | None) -> None:
        self.left = list(plans)

    async def plan(self) -> TopicPlan:
        found = self.left.pop(0)
        if found is None:
            raise KafkaUnavailable("no answer")
        return found


def watched(caplog: pytest.LogCaptureFixture, *plans: TopicPlan | None) -> tuple[TopicWatch, list[str]]:
    """Take the first plan as that of the start and look once a minute for the others; return the codes of the lines."""
    clock, topics = FakeClock(), ScriptedTopics(*plans[1:])
    watch = TopicWatch(lambda: topics, Telemetry(), clock.monotonic)

    async def scene() -> None:
        await watch.refresh()
        assert len(topics.left) == len(plans) - 1, "asked before the start has found anything"
        assert plans[0] is not None
        watch.found(plans[0])
        while topics.left:
            left = len(topics.left)
            clock.seconds += 59
            await watch.refresh()
            assert len(topics.left) == left
            clock.seconds += 2
            await watch.refresh()

    with caplog.at_level(logging.INFO, logger="bridge"):
        asyncio.run(scene())
    return watch, [record.__dict__["fields"]["code"] for record in caplog.records]


def test_what_stays_is_said_once_and_what_is_new_is_said(caplog: pytest.LogCaptureFixture) -> None:
    watch, said = watched(caplog, TopicPlan(warnings=[ONE]), TopicPlan(warnings=[ONE, OTHER]), TopicPlan())
    assert said == ["ONE_REPLICA", "RETENTION_LONGER"]
    assert watch.warnings == ()


def test_a_reason_is_kept_while_kafka_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    watch, said = watched(caplog, TopicPlan(), TopicPlan(reasons=[POLICY]), None)
    assert said == ["CLEANUP_POLICY"]
    assert watch.reasons == (POLICY,)


def with_setting(**config: str) -> TopicPlan:
    """Return what is found of a topic with these settings; nothing else is wrong with it."""
    settings = {name.replace("_", "."): value for name, value in config.items()}
    return TopicPlan(found={"events": TopicState(3, 3, settings)})


def made_without() -> TopicPlan:
    plan = with_setting(segment_bytes="5000")
    plan.refuse([REFUSED])
    return plan


def test_a_setting_that_was_refused_is_told_until_the_topic_has_it(caplog: pytest.LogCaptureFixture) -> None:
    still = with_setting(segment_bytes="6000")
    watch, said = watched(caplog, made_without(), still, None, still)
    assert said == ["SETTING_REFUSED"]
    assert list(watch.warnings) == [REFUSED.problem]
    watch.found(with_setting(segment_bytes="1000"))
    assert list(watch.warnings) == []
    watch.found(still)
    assert list(watch.warnings) == [], "its owner has changed it again: nothing was refused"


def test_a_refusal_that_is_met_again_is_one_warning_and_ends_with_its_topic(caplog: pytest.LogCaptureFixture) -> None:
    watch, said = watched(caplog, made_without(), made_without())
    assert said == ["SETTING_REFUSED"]
    assert list(watch.warnings) == [REFUSED.problem]
    watch.found(TopicPlan(found={}))
    assert list(watch.warnings) == []
