"""What the members of the consumer group mean: no worker, two with one id, strangers, more workers than shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.doctor.results.check_result import failed, ok, warning
from bridge.doctor.results.doctor_codes import (
    GROUP_EMPTY,
    GROUP_REBALANCING,
    GROUP_SHARED,
    WORKER_ID_CHANGES,
    WORKER_ID_ELSEWHERE,
    WORKERS_WITHOUT_SHARD,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.doctor.results.check_result import CheckResult

_STABLE: Final = "Stable"
_SHOWN: Final = 12
_GRACE: Final = "wait until it is stable and ask again; if it stays so, look at the workers' logs for restarts"


@dataclass(slots=True, frozen=True)
class SeenMember:
    """A member of the group. `worker_id` is empty without static membership, which every worker has.

    `host` and `topics` are what it sent when it joined: where it runs, and what it reads; empty when that is not told.
    """

    member_id: str
    worker_id: str
    host: str
    topics: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class SeenGroup:
    """The group at one moment: its state in Kafka's words, and its members."""

    state: str
    members: tuple[SeenMember, ...]


@dataclass(slots=True, frozen=True)
class GroupFacts:
    """What the settings say of the group, and this host. `partitions` of the announcements; None: not known."""

    group: str
    worker_id: str
    host: str
    announcements: str
    partitions: int | None


def group_results(facts: GroupFacts, looks: Sequence[SeenGroup]) -> list[CheckResult]:
    """Judge the group by some looks at it, seconds apart, the last one last."""
    last = looks[-1]
    found = [*_changes(facts, looks), *_strangers(facts, last), *_place(facts, last)]
    if not last.members:
        text = f"has no member (state {last.state}): no worker runs with this group"
        step = "start workers, or correct kafka.group; before the first start this is as it should be"
        return [*found, warning(facts.group, GROUP_EMPTY, text, step)]
    if last.state != _STABLE:
        text = f"is in state {last.state} with {len(last.members)} members: no shard is captured meanwhile"
        return [*found, warning(facts.group, GROUP_REBALANCING, text, _GRACE)]
    if facts.partitions is not None and len(last.members) > facts.partitions:
        idle = len(last.members) - facts.partitions
        without = "1 worker has no shard" if idle == 1 else f"{idle} workers have no shard"
        text = f"{len(last.members)} members, {facts.partitions} partitions: {without}"
        step = f"run at most {facts.partitions} workers; one without a shard answers NO_PARTITIONS in /readyz"
        return [*found, warning(facts.group, WORKERS_WITHOUT_SHARD, text, step)]
    return found or [ok(facts.group, f"stable, {len(last.members)} members: {_names(last)}")]


def _names(look: SeenGroup) -> str:
    names = sorted(member.worker_id or member.member_id for member in look.members)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _changes(facts: GroupFacts, looks: Sequence[SeenGroup]) -> list[CheckResult]:
    seen: dict[str, set[str]] = {}
    for look in looks:
        for member in look.members:
            if member.worker_id:
                seen.setdefault(member.worker_id, set()).add(member.member_id)
    return [
        failed(
            facts.group,
            WORKER_ID_CHANGES,
            f"{len(ids)} processes in turn were in the group as {name} within seconds",
            "give each worker a worker_id of its own; if there is only one, it restarts again and again: see its log",
        )
        for name, ids in sorted(seen.items())
        if len(ids) > 1
    ]


def _strangers(facts: GroupFacts, look: SeenGroup) -> list[CheckResult]:
    found: list[CheckResult] = []
    for member in look.members:
        name = member.worker_id or member.member_id
        others = [topic for topic in member.topics if topic != facts.announcements]
        if others:
            text = f"{name} reads {', '.join(others)}, not {facts.announcements}: another installation, or a consumer"
        elif not member.worker_id:
            text = f"{name} is no worker: it has no group.instance.id"
        else:
            continue
        step = "give it a group of its own: it takes shards that nobody captures then"
        found.append(failed(facts.group, GROUP_SHARED, text, step))
    return found


def _place(facts: GroupFacts, look: SeenGroup) -> list[CheckResult]:
    for member in look.members:
        if member.worker_id == facts.worker_id and member.host and member.host != facts.host:
            text = f"the worker_id of these settings, {facts.worker_id}, is that of a process on {member.host}"
            step = (
                "nothing if these are the settings of that worker; otherwise choose another worker_id: "
                "a worker that starts here would replace that one"
            )
            return [warning(facts.group, WORKER_ID_ELSEWHERE, text, step)]
    return []
