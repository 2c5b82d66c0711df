"""Operations on a Kafka cluster from outside the bridge: topics, permissions, a second producer, a full disk."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bridge.sandbox import LocalBroker

SECONDS = 30
AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
"""Settings of a broker with an authorizer and without ACLs."""
CREATES_TOPICS = {"auto.create.topics.enable": "true"}
"""Of a broker that creates the topics that it is asked for: Kafka's default, which the sandbox turns off."""


def alter(broker: str, topic: str, name: str, value: str | None) -> None:
    """Set one value of a topic's configuration; None removes it."""
    what = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    entry = ConfigEntry(name, value or "", incremental_operation=what)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": broker})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(SECONDS)


def create(broker: str, topic: NewTopic) -> None:
    admin = AdminClient({"bootstrap.servers": broker})
    for done in admin.create_topics([topic]).values():
        done.result(SECONDS)


def delete(broker: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": broker})
    for done in admin.delete_topics([topic]).values():
        done.result(SECONDS)


def exists(broker: str, topic: str) -> bool:
    found = AdminClient({"bootstrap.servers": broker}).list_topics(timeout=SECONDS).topics
    return topic in found


def fence(broker: str, transactional_id: str) -> None:
    """Fence the producer of a transactional id by initialising it from another producer."""
    Producer({"bootstrap.servers": broker, "transactional.id": transactional_id}).init_transactions(SECONDS)


def write(broker: str, topic: str, values: Mapping[str, bytes]) -> None:
    """Write one record per key, and wait until all are acknowledged."""
    producer = Producer({"bootstrap.servers": broker, "queue.buffering.max.messages": 2 * len(values)})
    for key, value in values.items():
        producer.produce(topic, value, key)
    assert producer.flush(SECONDS) == 0


def forbid_writes(broker: str, topic: str) -> None:
    """Deny every principal to write to a topic; the broker must be started with `AUTHORIZER`."""
    admin = AdminClient({"bootstrap.servers": broker})
    rules = ((AclOperation.ALL, AclPermissionType.ALLOW), (AclOperation.WRITE, AclPermissionType.DENY))
    for done in admin.create_acls([_acl(topic, *rule) for rule in rules]).values():
        done.result(SECONDS)


def allow_writes(broker: str, topic: str) -> None:
    """Remove the ACLs of `forbid_writes`."""
    admin = AdminClient({"bootstrap.servers": broker})
    acls_of_topic = AclBindingFilter(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        None,  # type: ignore[arg-type]  # any principal, as its documentation has it
        None,  # type: ignore[arg-type]  # any host, likewise
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    for done in admin.delete_acls([acls_of_topic]).values():
        assert done.result(SECONDS)


def _acl(topic: str, operation: AclOperation, permission: AclPermissionType) -> AclBinding:
    return AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:*", "*", operation, permission)


def reconfigure(broker: LocalBroker, change: Callable[[dict[str, str]], None]) -> None:
    """End the broker as a power cut would, change its settings, start it."""
    broker.kill()
    path = broker.nodes[0]._properties
    values = dict(line.split("=", 1) for line in path.read_text(encoding="ascii").splitlines())
    change(values)
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="ascii")
    broker.restart()


def move(broker: LocalBroker, port: int) -> None:
    """End the broker as a power cut would; it comes back at another port, with its data."""
    node = broker.nodes[0]
    old, node.port = node.port, port

    def change(values: dict[str, str]) -> None:
        for name in ("listeners", "advertised.listeners"):
            values[name] = values[name].replace(f":{old}", f":{port}")

    reconfigure(broker, change)


def fill(disk: Path) -> Path:
    """Fill a file system; return the file that occupies the space."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as full:
        while full.write(bytes(1 << 16)):
            pass
    assert shutil.disk_usage(disk).free == 0
    return ballast


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    """Mount a file system in memory; yield None where that is not permitted."""
    folder = Path(tempfile.mkdtemp(prefix="chatbridge-disk-"))
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mount, umount = shutil.which("mount"), shutil.which("umount")
    try:
        done = mount and umount and subprocess.run([mount, *options], capture_output=True, check=False).returncode == 0
        try:
            yield folder if done else None
        finally:
            if done and umount:
                subprocess.run([umount, "--lazy", str(folder)], check=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
