"""Compares topics as they are required with those that exist. Pure.

What may be altered is a change. What must not be corrected automatically is a reason: another number of partitions
would give chats a second owner, another cleanup policy deletes data. What goes on as it is, and should not stay so, is
a warning. What only tunes a topic (segment sizes, how often it is compacted) is neither: it is its owner's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.topic_codes import (
    CLEANUP_POLICY,
    FEW_IN_SYNC,
    ONE_REPLICA,
    PARTITIONS_DIFFER,
    PARTITIONS_RISING,
    PARTITIONS_TAKEN,
    RECORD_LIMIT_LOW,
    RETENTION_LONGER,
    RETENTION_SHORTER,
    SETTING_REFUSED,
)
from bridge.errors import Problem, TopicMismatch, TopicUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bridge.adapters.kafka.required_topics import Topic

POLICY: Final = "cleanup.policy"
RETENTION: Final = "retention.ms"
RECORD_LIMIT: Final = "max.message.bytes"
IN_SYNC: Final = "min.insync.replicas"
SAFE_REPLICAS: Final = 3
"""With so many replicas or more, two of them have to have a record before it counts as written."""
SAFE_IN_SYNC: Final = 2
ERASABLE: Final = {"max.compaction.lag.ms": "600000", "file.delete.delay.ms": "1000"}
"""Settings of a compacted topic with which Kafka removes in time what was deleted there: the log is compacted after ten
minutes however little of it is new, and the former files are deleted after a second."""
_AT_CREATION: Final = {"message.timestamp.type": "LogAppendTime"}
"""Settings of topics that are created here; of a topic that exists they are its owner's.

With the broker's own time on every record, the broker refuses no time that a producer gave.
"""


@dataclass(slots=True, frozen=True)
class TopicState:
    """One topic as it is: `replicas` of the partition with the fewest, and every setting.

    `in_sync`: replicas that have all records, of the partition with the fewest; None: not looked at. `leaderless`: the
    partitions that no broker leads.
    """

    partitions: int
    replicas: int
    config: Mapping[str, str]
    in_sync: int | None = None
    leaderless: tuple[int, ...] = ()


@dataclass(slots=True, frozen=True)
class Change:
    """One topic to create (`config` is all of its configuration), or to alter (`config` is what differs)."""

    topic: Topic
    create: bool
    config: dict[str, str]
    partitions: int = 0
    """Of a topic to create."""

    def __str__(self) -> str:
        """One line for people."""
        settings = ", ".join(f"{key}={value}" for key, value in sorted(self.config.items()))
        if not self.create:
            return f"alter {self.topic.name}: {settings}"
        factor = self.topic.replication_factor
        replicas = f"{self.partitions} partitions, replication factor {factor or 'of the broker'}"
        return f"create {self.topic.name}: {replicas}, {settings}{_in_sync_of_new(factor)}"


@dataclass(slots=True, frozen=True)
class RefusedSetting:
    """A setting of a topic that Kafka did not take. `created`: when the topic was created, else when it was altered.

    `text` is what Kafka said, empty if nothing.
    """

    topic: str
    name: str
    value: str
    created: bool
    text: str

    @property
    def problem(self) -> Problem:
        """The warning about it."""
        verb, why = "created" if self.created else "left", f": {self.text}" if self.text else ""
        detail = f"Kafka refuses {self.name}={self.value} of {self.topic}, which is {verb} without it{why}"
        return Problem(SETTING_REFUSED, detail)

    def lasts(self, topics: Mapping[str, TopicState]) -> bool:
        """Return whether the topic is there, and still without the setting: its owner may have set it since."""
        if self.topic not in topics:
            return False
        present = topics[self.topic].config.get(self.name)
        if self.name in {RECORD_LIMIT, IN_SYNC}:
            return _number(present) < int(self.value)
        return present != self.value


@dataclass(slots=True)
class TopicPlan:
    """Changes to make, `reasons` that must not be corrected automatically, and `warnings`.

    `partitions` is the number that every topic has, or gets.
    """

    partitions: int = 0
    changes: list[Change] = field(default_factory=list)
    reasons: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    found: Mapping[str, TopicState] = field(default_factory=dict)
    """The topics as they were when this was planned, by name."""
    refused: list[RefusedSetting] = field(default_factory=list)
    """What Kafka did not take when this was done; each is among the warnings, too."""

    def refuse(self, settings: Sequence[RefusedSetting]) -> None:
        """Note what Kafka did not take."""
        self.refused += settings
        self.warnings += [one.problem for one in settings]

    def check(self) -> None:
        """Raise TopicMismatch when a topic has a property that must not be changed automatically.

        TopicUnusable, a TopicMismatch, when the topic's owner can set it right.
        """
        rising = [one.detail for one in self.warnings if one.code == PARTITIONS_RISING]
        if rising and not self.reasons:
            raise TopicUnusable(
                rising[0],
                next_step="wait for `chatbridge topics grow`; if it was interrupted, run it again with the same number",
                code=PARTITIONS_RISING,
            )
        if not self.reasons:
            return
        text = "; ".join(one.detail for one in self.reasons)
        if any(one.code == PARTITIONS_DIFFER for one in self.reasons):
            raise TopicMismatch(
                text,
                next_step="if `chatbridge topics grow` was interrupted, run it again, with kafka.partitions_before "
                "set. A chat must have one partition number everywhere, and partitions cannot be taken away again: use "
                "another kafka.topic_prefix and kafka.group, and announce the open chats there; or delete the topic, "
                "if it is that of the announcements, and start again",
                code=PARTITIONS_DIFFER,
            )
        raise TopicUnusable(text, next_step="set cleanup.policy of the topic: records that are needed would be deleted")


def compare(
    topics: Sequence[Topic],
    found: Mapping[str, TopicState],
    *,
    allow_shorter: bool = False,
    former: Sequence[int] = (),
    chosen: bool = True,
) -> TopicPlan:
    """Compare `topics` with those that exist. A retention is only shortened with `allow_shorter`.

    `former` are numbers of partitions from which the topics may be raised just now. `chosen`: somebody has set the
    number that `topics` have, and is told when another one is there.

    Topics that exist decide about the number of partitions of those that do not.
    """
    existing = [(topic, found[topic.name]) for topic in topics if topic.name in found and topic.sharded]
    counts = {state.partitions for _, state in existing}
    partitions = max(counts, default=max((topic.partitions for topic in topics), default=0))
    plan = TopicPlan(partitions, found=found)
    if len(counts) > 1:
        text = ", ".join(f"{topic.name} has {state.partitions} partitions" for topic, state in existing)
        if min(counts) in former:
            plan.warnings.append(Problem(PARTITIONS_RISING, text))
        else:
            plan.reasons.append(Problem(PARTITIONS_DIFFER, text))
    elif chosen and existing and plan.partitions != existing[0][0].partitions:
        text = f"the topics have {plan.partitions} partitions, kafka.partitions is {existing[0][0].partitions}"
        plan.warnings.append(Problem(PARTITIONS_TAKEN, f"{text}: {plan.partitions} are used"))
    for topic in topics:
        if topic.name not in found:
            count = plan.partitions if topic.sharded else topic.partitions
            plan.changes.append(Change(topic, create=True, config={**topic.config, **_AT_CREATION}, partitions=count))
            continue
        state = found[topic.name]
        policy = state.config.get(POLICY)
        if policy != topic.config[POLICY]:
            text = f"{topic.name} has cleanup.policy={policy}, required: {topic.config[POLICY]}"
            plan.reasons.append(Problem(CLEANUP_POLICY, text))
            continue
        plan.warnings += _warnings(topic, state)
        differing = dict(_differing(topic, state, allow_shorter=allow_shorter))
        if differing:
            plan.changes.append(Change(topic, create=False, config=differing))
    return plan


def _differing(topic: Topic, state: TopicState, *, allow_shorter: bool) -> Iterator[tuple[str, str]]:
    """Yield the settings that are to be altered."""
    for name, value in topic.config.items():
        present = state.config.get(name)
        if name == RETENTION:
            longer = _outlasts(_number(present), int(value))
            differs = present != value and (allow_shorter or not longer)
        elif name == RECORD_LIMIT:
            differs = _number(present) < int(value)
        else:
            differs = present != value
        if differs:
            yield name, value
    if state.replicas >= SAFE_REPLICAS and _number(state.config.get(IN_SYNC)) < SAFE_IN_SYNC:
        yield IN_SYNC, str(SAFE_IN_SYNC)


def _warnings(topic: Topic, state: TopicState) -> Iterator[Problem]:
    name, config = topic.name, state.config
    limit, wanted_limit = _number(config.get(RECORD_LIMIT)), int(topic.config[RECORD_LIMIT])
    if limit < wanted_limit:
        yield Problem(RECORD_LIMIT_LOW, f"{name} has max.message.bytes={limit}, wanted: {wanted_limit}")
    if state.replicas == 1:
        yield Problem(ONE_REPLICA, f"{name} has one replica: records are lost with their broker")
    in_sync = _number(config.get(IN_SYNC))
    if state.replicas >= SAFE_REPLICAS and in_sync < SAFE_IN_SYNC:
        yield Problem(FEW_IN_SYNC, f"{name} has {state.replicas} replicas and min.insync.replicas={in_sync}")
    if RETENTION in topic.config:
        retention, wanted_retention = _number(config.get(RETENTION)), int(topic.config[RETENTION])
        if retention != wanted_retention:
            longer = _outlasts(retention, wanted_retention)
            code, word = (RETENTION_LONGER, "longer") if longer else (RETENTION_SHORTER, "shorter")
            text = f"{name} has retention.ms={retention}, {word} than the settings say: {wanted_retention}"
            yield Problem(code, text)


def _in_sync_of_new(replicas: int | None) -> str:
    """Return what is said of a setting that is only raised, never lowered, and depends on the number of replicas."""
    if replicas is None:
        return f", with {SAFE_REPLICAS} replicas or more {IN_SYNC}={SAFE_IN_SYNC} or more"
    return f", {IN_SYNC}={SAFE_IN_SYNC} or more" if replicas >= SAFE_REPLICAS else ""


def _outlasts(milliseconds: int, other: int) -> bool:
    """Return whether a retention is longer than another; a negative one is for ever."""
    return other >= 0 and (milliseconds < 0 or milliseconds > other)


def _number(value: str | None) -> int:
    return int(value or 0)
