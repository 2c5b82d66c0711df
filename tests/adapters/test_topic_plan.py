"""What is altered, refused, named or left alone where topics are not as they are required."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.adapters.kafka.required_topics import TopicShape
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.adapters.kafka.topic_plan import TopicState, compare
from bridge.errors import TopicMismatch, TopicUnusable
from bridge.reason_codes import REASON_CODES
from tests.support.wanted_topics import wanted

SHAPE = TopicShape(
    partitions=3,
    replication_factor=None,
    max_record_bytes=1_000_000,
    retention_seconds=604_800,
    announcement_retention_seconds=259_200,
)
NAMES = TopicNames("t.")
TOPICS = wanted(NAMES, SHAPE)
AS_REQUIRED = {
    topic.name: TopicState(3, 3, {**topic.config, "min.insync.replicas": "2", "segment.ms": "604800000"})
    for topic in TOPICS
}


def found(kind: str, **changed: Any) -> dict[str, TopicState]:
    """Return topics as required, but for this one. Settings are given with underscores for the dots."""
    name = str(getattr(NAMES, kind))
    state = AS_REQUIRED[name]
    config = {**state.config, **{key.replace("_", "."): value for key, value in changed.pop("config", {}).items()}}
    return {**AS_REQUIRED, name: replace(state, config=config, **changed)}


def test_the_topics_of_the_log_are_wanted_with_a_signing_key_only_and_keep_everything() -> None:
    more = {one.name: one.config for one in wanted(NAMES, SHAPE, evidence=True) if one not in TOPICS}
    assert more.keys() == {NAMES.anchors, NAMES.leaves}
    assert more[NAMES.anchors]["retention.ms"] == "-1"
    assert more[NAMES.leaves]["cleanup.policy"] == "compact"


def test_topics_as_required_need_nothing() -> None:
    plan = compare(TOPICS, AS_REQUIRED)
    assert (plan.partitions, plan.changes, plan.reasons, plan.warnings) == (3, [], [], [])


@pytest.mark.parametrize(
    ("changed", "code", "altered", "with_permission"),
    [
        ({"retention_ms": "-1"}, "RETENTION_LONGER", {}, {"retention.ms": "604800000"}),
        ({"retention_ms": "604800001"}, "RETENTION_LONGER", {}, {"retention.ms": "604800000"}),
        ({"retention_ms": "1000"}, "RETENTION_SHORTER", *[{"retention.ms": "604800000"}] * 2),
        ({"max_message_bytes": "100000"}, "RECORD_LIMIT_LOW", *[{"max.message.bytes": "1262144"}] * 2),
        ({"max_message_bytes": "9000000"}, None, {}, {}),
        ({"min_insync_replicas": "1"}, "FEW_IN_SYNC", *[{"min.insync.replicas": "2"}] * 2),
        ({"min_insync_replicas": "3"}, None, {}, {}),
        ({"segment_bytes": "1073741824"}, None, {}, {}),
    ],
    ids=str,
)
def test_what_differs_is_warned_of_and_altered_but_a_retention_is_only_shortened_on_purpose(
    changed: dict[str, str], code: str | None, altered: dict[str, str], with_permission: dict[str, str]
) -> None:
    state = found("events", config=changed)
    for permitted, expected in ((False, altered), (True, with_permission)):
        plan = compare(TOPICS, state, allow_shorter=permitted)
        assert [warning.code for warning in plan.warnings] == ([code] if code else [])
        assert [(change.topic.name, change.config) for change in plan.changes] == (
            [(NAMES.events, expected)] if expected else []
        )
        plan.check()


def test_a_retention_for_ever_is_longer_than_any_and_kept_for_ever_when_it_is_wanted() -> None:
    for_ever = [
        replace(topic, config={**topic.config, "retention.ms": "-1"}) if "retention.ms" in topic.config else topic
        for topic in TOPICS
    ]
    plan = compare(for_ever, AS_REQUIRED)
    assert {warning.code for warning in plan.warnings} == {"RETENTION_SHORTER"}
    assert [change.config for change in plan.changes] == [{"retention.ms": "-1"}] * 5


def test_tuning_of_checkpoints_is_altered_by_hand_only_and_no_warning() -> None:
    plan = compare(TOPICS, found("checkpoints", config={"segment_bytes": "52428800"}))
    assert plan.warnings == []
    assert [change.config for change in plan.changes] == [{"segment.bytes": "16777216"}]


def test_one_replica_is_a_warning_and_does_not_want_two_in_sync() -> None:
    plan = compare(TOPICS, found("sessions", replicas=1, config={"min_insync_replicas": "1"}))
    assert [(warning.code, NAMES.sessions in warning.detail) for warning in plan.warnings] == [("ONE_REPLICA", True)]
    assert plan.changes == []


def test_topics_with_another_number_of_partitions_are_taken_and_missing_ones_get_it() -> None:
    five = {name: replace(state, partitions=5) for name, state in AS_REQUIRED.items()}
    del five[NAMES.quarantine]
    plan = compare(TOPICS, five)
    plan.check()
    assert plan.partitions == 5
    assert [warning.code for warning in plan.warnings] == ["PARTITIONS_TAKEN"]
    assert compare(TOPICS, five, chosen=False).warnings == []
    assert [(change.topic.name, change.create, change.partitions) for change in plan.changes] == [
        (NAMES.quarantine, True, 5)
    ]
    assert str(plan.changes[0]).startswith(f"create {NAMES.quarantine}: 5 partitions, replication factor of the broker")


@pytest.mark.parametrize(
    ("factor", "ending"),
    [
        (None, ", with 3 replicas or more min.insync.replicas=2 or more"),
        (1, ", retention.ms=604800000"),
        (3, ", min.insync.replicas=2 or more"),
    ],
)
def test_the_plan_of_a_new_topic_names_each_setting_that_is_made(factor: int | None, ending: str) -> None:
    plan = compare(wanted(NAMES, replace(SHAPE, replication_factor=factor)), {})
    (change,) = [each for each in plan.changes if each.topic.name == NAMES.events]
    assert change.config["message.timestamp.type"] == "LogAppendTime"
    assert "message.timestamp.type=LogAppendTime" in str(change)
    assert str(change).endswith(ending)


def test_topics_with_different_numbers_of_partitions_are_refused() -> None:
    with pytest.raises(TopicMismatch, match=r"events\.v1 has 4 partitions") as caught:
        compare(TOPICS, found("events", partitions=4)).check()
    assert caught.value.code == "PARTITIONS_DIFFER"
    assert caught.value.code in REASON_CODES  # of a worker that runs
    assert not caught.value.retryable
    assert "kafka.topic_prefix" in caught.value.next_step


def test_topics_that_are_being_raised_from_a_number_that_is_named_are_waited_for() -> None:
    plan = compare(TOPICS, found("events", partitions=6), former=(3,))
    assert (plan.reasons, [one.code for one in plan.warnings]) == ([], ["PARTITIONS_RISING"])
    with pytest.raises(TopicUnusable) as refused:
        plan.check()
    assert (refused.value.code, refused.value.retryable) == ("PARTITIONS_RISING", True)
    assert refused.value.code in REASON_CODES  # of a start that waits
    assert compare(TOPICS, found("events", partitions=6), former=(6,)).reasons


@pytest.mark.parametrize(("kind", "policy"), [("events", "compact"), ("checkpoints", "delete"), ("checkpoints", "")])
def test_a_cleanup_policy_that_deletes_what_is_needed_is_waited_for(kind: str, policy: str) -> None:
    plan = compare(TOPICS, found(kind, config={"cleanup_policy": policy}))
    assert [reason.code for reason in plan.reasons] == ["CLEANUP_POLICY"]
    assert plan.changes == []
    with pytest.raises(TopicUnusable, match=f"cleanup.policy={policy}, required") as caught:
        plan.check()
    assert caught.value.retryable


def test_all_topics_are_created_where_there_are_none() -> None:
    plan = compare(TOPICS, {})
    assert [(change.create, change.partitions) for change in plan.changes] == [(True, 3)] * 6
    assert (plan.warnings, plan.reasons) == ([], [])
