"""What the connections to bootstrap servers and brokers, and the brokers' releases, mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.doctor.results.check_result import failed, not_checked, ok, warning
from bridge.doctor.results.doctor_codes import (
    KAFKA_RELEASE,
    NO_ANSWER,
    NO_COORDINATOR,
    NOT_TOLD,
    TRANSACTIONS_UNTOLD,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.adapters.kafka.cluster_look import BrokerPlace
    from bridge.adapters.kafka.connection_causes import Cause
    from bridge.doctor.results.check_result import CheckResult

_LOSES_MARKERS: Final = frozenset({"4.3", "4.4"})
"""Releases in which a commit marker can be lost (KAFKA-20734)."""
_OLD: Final = frozenset({"3.0", "3.1", "3.2"})


def bootstrap_results(causes: Mapping[str, Cause | None], how: str) -> list[CheckResult]:
    """Return a line per bootstrap server; `how` says how clients connect. One that works is enough to start."""
    any_works = None in causes.values()
    found: list[CheckResult] = []
    for server, cause in causes.items():
        if cause is None:
            found.append(ok(server, f"answers, and takes this client ({how})"))
        elif any_works:
            step = f"{cause.next_step}; another bootstrap server works, so that clients get on"
            found.append(warning(server, cause.code, cause.message, step))
        else:
            found.append(failed(server, cause.code, cause.message, cause.next_step))
    return found


def broker_results(
    places: Sequence[BrokerPlace], causes: Mapping[str, Cause | None], releases: Mapping[int, str | None]
) -> list[CheckResult]:
    """Return a line per broker of the cluster: whether it can be used at the address it advertises, and its release."""
    return [_broker(place, causes[place.address], releases) for place in places]


def coordinator_result(name: str, node: int | None, setting: str) -> CheckResult:
    """Return whether a group or a transactional id has a coordinator; `setting` is that of the topic which it needs."""
    if node is not None:
        return ok(name, f"broker {node} is its coordinator")
    step = f"look at the broker's log; on a cluster with fewer brokers than {setting} says, that topic cannot be made"
    return failed(
        name, NO_COORDINATOR, "no broker is its coordinator: Kafka's internal topic for it has no leader", step
    )


def told_transactions_results(node: int, *, told: bool) -> list[CheckResult]:
    """Return a warning unless a broker tells what became of a transaction, which `kafka.transactions: worker` asks."""
    if told:
        return []
    return [
        warning(
            f"broker {node}",
            TRANSACTIONS_UNTOLD,
            "does not tell what became of a transaction (before Kafka 3.0, or not Apache Kafka): a partition without a "
            "leader stops all shards of a worker",
            "set kafka.transactions to shard on all workers",
        )
    ]


def _broker(place: BrokerPlace, cause: Cause | None, releases: Mapping[int, str | None]) -> CheckResult:
    subject = f"broker {place.node}"
    if cause is not None:
        step = (
            f"the cluster says that clients reach this broker at {place.address} (its advertised.listeners), "
            f"and all must be reached: {cause.next_step}"
        )
        return failed(subject, cause.code, cause.message, step)
    if place.node not in releases:
        return failed(
            subject,
            NO_ANSWER,
            f"{place.address} accepts connections and does not answer a question",
            "look at the broker's log and its load",
        )
    release = releases[place.node]
    if release is None:
        why = f"can be used at {place.address}; it does not tell its release (not Apache Kafka, or before 3.0)"
        return not_checked(subject, NOT_TOLD, why)
    if release in _LOSES_MARKERS:
        return warning(
            subject,
            KAFKA_RELEASE,
            f"{place.address} is Kafka {release}, which can lose a commit marker while a partition has no leader "
            "(KAFKA-20734): read_committed consumers then wait on that partition",
            "use Kafka 4.2",
        )
    if release in _OLD:
        detail = f"{place.address} is Kafka {release}, which this version was not tested with"
        return warning(subject, KAFKA_RELEASE, detail, "use Kafka 4.2")
    return ok(subject, f"{place.address}, Kafka {release}")
