"""What a client needs the right to do on Kafka, and the words for a right that is missing. Pure.

The rights of each command were found by trying it with one right less at a time; tests/integration/test_rights.py does.
Kafka derives Describe from Read, Write and Alter, and DescribeConfigs from AlterConfigs.
"""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, Literal

from bridge.errors import AccessDenied

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.adapters.kafka.topic_manager import TopicNames

ResourceKind = Literal["topic", "group", "transactional id", "cluster"]
Operation = Literal["Read", "Write", "Create", "Alter", "Describe", "DescribeConfigs", "AlterConfigs"]

COMMANDS_WITH_RIGHTS: Final = (
    "run",
    "announce",
    "backfill",
    "backfill --wait",
    "tail",
    "verify",
    "verify --keys",
    "verify --audit",
    "export",
    "export --log",
    "unseal",
    "proof",
    "coverage",
    "reconcile",
    "reconcile --fill",
    "topics plan",
    "topics apply",
    "topics grow",
    "simulate",
    "doctor",
    "erase",
    "hold",
    "release",
    "subject find",
    "subject export",
    "subject erase",
    "subject hold",
)
"""Commands that use Kafka; `simulate` when it announces to a topic."""
_READ_AND_WRITTEN: Final = {
    "announce": ((), ("announcements",)),
    "simulate": ((), ("announcements",)),
    "backfill": ((), ("stored",)),
    "backfill --wait": (("checkpoints",), ("stored",)),  # there, shards say how far they are; it holds passwords
    "tail": (("events",), ()),
    "verify": (("events", "sessions"), ()),
    "verify --keys": (("events", "sessions", "anchors", "leaves"), ()),
    "verify --audit": (("audit",), ()),
    "export": (("events", "sessions"), ()),
    "export --log": (("events", "sessions", "anchors", "leaves"), ()),
    "proof": (("sessions", "anchors", "leaves"), ()),
    "coverage": (("announcements", "sessions"), ()),
    "reconcile": (("events", "sessions"), ()),
    "reconcile --fill": (("events", "sessions"), ("stored",)),
}
"""Command -> kinds of topics that it reads, and that it writes."""
OUTPUT_READERS: Final = frozenset(
    {command for command, (read, _) in _READ_AND_WRITTEN.items() if {"events", "sessions"} & set(read)} | {"unseal"}
)
"""Commands that read the topics of one output (`--output`)."""
CLUSTER: Final = "kafka-cluster"
"""Kafka's name of the one resource of kind cluster."""
OPERATION_CODES: Final[Mapping[Operation, int]] = {
    "Read": 3,
    "Write": 4,
    "Create": 5,
    "Alter": 7,
    "Describe": 8,
    "DescribeConfigs": 10,
    "AlterConfigs": 11,
}
"""Kafka's AclOperation codes, and so the bits of the operations that a broker says are permitted."""
_IMPLY_DESCRIBE: Final = frozenset({"Read", "Write", "Alter", "Describe"})
_FLAGS: Final[Mapping[ResourceKind, str]] = {
    "topic": "--topic",
    "group": "--group",
    "transactional id": "--transactional-id",
    "cluster": "--cluster",
}


@dataclass(slots=True, frozen=True, order=True)
class Right:
    """One operation on one resource, or with `prefixed` on all whose names begin so."""

    kind: ResourceKind
    name: str
    operation: Operation
    prefixed: bool = False


@dataclass(slots=True, frozen=True)
class ResourceRights:
    """All operations that are needed on one resource."""

    kind: ResourceKind
    name: str
    prefixed: bool
    operations: tuple[Operation, ...]

    def kafka_acls(self, principal: str) -> str:
        """Return the options of `kafka-acls` that grant them, for a shell."""
        operations = " ".join(f"--operation {operation}" for operation in self.operations)
        pattern = " --resource-pattern-type prefixed" if self.prefixed else ""
        name = "" if self.kind == "cluster" else f" {self.name}"
        return f"--add --allow-principal {quote(principal)} {operations} {_FLAGS[self.kind]}{name}{pattern}"


def rights_of(  # noqa: PLR0913 - what the rights of an installation depend on
    command: str,
    names: TopicNames,
    group: str,
    *,
    create: bool,
    evidence: bool = False,
    sealing: bool = False,
    others: Sequence[TopicNames] = (),
) -> list[Right]:
    """Return what one of COMMANDS_WITH_RIGHTS needs, but for verbs (`verb_rights.py`).

    `create`: whether `run` creates topics that are missing.

    `evidence`: whether a signing key is configured; `sealing`: whether a master key is. `others` are the names of
    further outputs than that of `names`.
    """
    topics: dict[str, list[Operation]]
    logs = (names.anchors, names.leaves) if evidence else ()
    every = (
        names.announcements,
        names.checkpoints,
        names.events,
        names.sessions,
        names.quarantine,
        names.stored,
        *(topic for one in others for topic in (one.events, one.sessions, one.quarantine)),
        *logs,
        *((names.keys,) if sealing else ()),
    )
    if command == "run":
        # Events and sessions are read to make state again that Kafka has forgotten, announcements are written on
        # behalf of others, and to their right partition. So are stored transcripts.
        topics = {name: ["Read", "Write", "DescribeConfigs"] for name in every}
        quarantines = [one.quarantine for one in (names, *others)]
        topics |= {name: ["Write", "DescribeConfigs"] for name in (*quarantines, *logs[:1])}
        if create:
            topics = {name: [*operations, "Create"] for name, operations in topics.items()}
    elif command in _READ_AND_WRITTEN:
        read, written = _READ_AND_WRITTEN[command]
        topics = {getattr(one, kind): ["Read"] for one in (names, *others) for kind in read}
        topics |= {getattr(names, kind): ["Write"] for kind in written}
        if sealing and command.startswith("reconcile"):
            topics[names.keys] = ["Read"]  # texts are compared in clear
    elif command in {"topics plan", "doctor"}:
        more = () if command == "doctor" else (names.audit, names.held)
        topics = {name: ["Describe", "DescribeConfigs"] for name in (*every, *more)}
    elif command == "topics apply":
        topics = {name: ["Create", "Describe", "AlterConfigs"] for name in (*every, names.audit, names.held)}
    elif command == "topics grow":  # it asks the shards, by their checkpoints, by which numbers they go
        topics = {names.audit: ["Describe"], **{name: ["Alter"] for name in (*every, names.held)}}
        topics[names.checkpoints] = ["Read", "Alter"]
    else:
        raise ValueError(f"{command} needs no rights on Kafka")
    found = [Right("topic", name, operation) for name, operations in topics.items() for operation in operations]
    if command == "run":
        found += [Right("group", group, "Read"), Right("transactional id", f"{group}-", "Write", prefixed=True)]
    if command == "doctor":  # the cluster's: sizes of logs and the controller's clock; limits of the brokers
        found += [Right("group", group, "Describe"), Right("transactional id", f"{group}-", "Describe", prefixed=True)]
        found += [Right("cluster", CLUSTER, "Describe"), Right("cluster", CLUSTER, "DescribeConfigs")]
    return found


def by_resource(rights: Iterable[Right]) -> list[ResourceRights]:
    """Put the rights on each resource together, in the order in which they come."""
    found: dict[tuple[ResourceKind, str, bool], list[Operation]] = {}
    for right in rights:
        found.setdefault((right.kind, right.name, right.prefixed), []).append(right.operation)
    return [ResourceRights(*resource, tuple(dict.fromkeys(operations))) for resource, operations in found.items()]


def not_permitted(needed: Sequence[Right], permitted: int | None) -> list[Right]:
    """Return which rights on one resource are missing.

    `permitted` has bit n set for AclOperation code n; None: the resource may not even be described. Whether something
    that exists could be created is not asked.
    """
    needed = [right for right in needed if right.operation != "Create"]
    if permitted is None:
        found = [right for right in needed if right.operation in _IMPLY_DESCRIBE]
        return found or [Right(right.kind, right.name, "Describe", right.prefixed) for right in needed[:1]]
    return [right for right in needed if not permitted >> OPERATION_CODES[right.operation] & 1]


def principal_of(client: Mapping[str, Any]) -> str:
    """Return whom Kafka takes a client for, from its aiokafka arguments; a description where only Kafka knows it."""
    protocol = str(client.get("security_protocol", "PLAINTEXT"))
    if protocol.startswith("SASL") and client.get("sasl_plain_username"):
        return f"User:{client['sasl_plain_username']}"
    if protocol.startswith("SASL"):
        return "the user of this client's credentials"
    return "the user of this client's certificate" if protocol == "SSL" else "User:ANONYMOUS"


def denied(missing: Iterable[Right], principal: str, command: str = "") -> AccessDenied:
    """Return the error that names every missing right, how to grant the first, and what prints those of a command."""
    resources = by_resource(sorted(set(missing)))
    texts = [f"{' and '.join(one.operations)} on {named(one)}" for one in resources]
    user = principal if principal.startswith("User:") else "User:..."
    prints = (
        f"`chatbridge acls --for {command}` prints all that it needs"
        if command
        else "`chatbridge acls --for COMMAND` prints all that a command needs, `--for run` what a worker needs"
    )
    return AccessDenied(
        f"Kafka denies {principal}: {'; '.join(texts)}",
        next_step=f"grant {'it' if len(texts) == 1 else 'them'}, e.g. kafka-acls {resources[0].kafka_acls(user)}; "
        + prints,
    )


def named(resource: ResourceRights) -> str:
    """Return what a sentence calls a resource."""
    return "the cluster" if resource.kind == "cluster" else f"{resource.kind} {resource.name}{'*' * resource.prefixed}"
