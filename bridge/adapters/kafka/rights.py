"""What a client needs the right to do on Kafka, and the words for a right that is missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from bridge.errors import AccessDenied

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ResourceKind = Literal["topic", "group", "transactional id"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs", "AlterConfigs"]

_FLAGS: Final[Mapping[ResourceKind, str]] = {
    "topic": "--topic",
    "group": "--group",
    "transactional id": "--transactional-id",
}


@dataclass(slots=True, frozen=True, order=True)
class Right:
    """One operation on one resource, or with `prefixed` on all whose names begin so."""

    kind: ResourceKind
    name: str
    operation: Operation
    prefixed: bool = False


def principal_of(client: Mapping[str, Any]) -> str:
    """Return whom Kafka takes a client for, from its aiokafka arguments; a description where only Kafka knows it."""
    protocol = str(client.get("security_protocol", "PLAINTEXT"))
    if protocol.startswith("SASL") and client.get("sasl_plain_username"):
        return f"User:{client['sasl_plain_username']}"
    if protocol.startswith("SASL"):
        return "the user of this client's credentials"
    return "the user of this client's certificate" if protocol == "SSL" else "User:ANONYMOUS"


def denied(missing: Iterable[Right], principal: str) -> AccessDenied:
    """Return the error that names every missing right, and how to grant it."""
    rights = sorted(set(missing))
    resources = dict.fromkeys((right.kind, right.name) for right in rights)
    texts = []
    for kind, name in resources:
        operations = [right.operation for right in rights if (right.kind, right.name) == (kind, name)]
        texts.append(f"{' and '.join(operations)} on {kind} {name}")
    first = rights[0]
    options = " ".join(f"--operation {right.operation}" for right in rights if right.name == first.name)
    pattern = " --resource-pattern-type prefixed" if first.prefixed else ""
    user = principal if principal.startswith("User:") else "User:..."
    return AccessDenied(
        f"Kafka denies {principal}: {'; '.join(texts)}",
        next_step=f"grant {'it' if len(rights) == 1 else 'them'}, e.g. kafka-acls --add --allow-principal {user} "
        f"{options} {_FLAGS[first.kind]} {first.name}{pattern}; `chatbridge acls` prints all that a command needs",
    )
