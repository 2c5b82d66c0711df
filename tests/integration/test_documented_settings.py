"""The settings files of docs/secured-kafka.md run against a broker that is secured as they say."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from bridge.sandbox.process import LOOPBACK, free_ports
from tests.integration.e2e_environment import E2EEnvironment
from tests.support.documented_settings import written
from tests.support.processes import Process, wait_for
from tests.support.secured_broker import PASSWORD, USER, SecuredBroker

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = {
    "scram.yaml": (
        "SECURED",
        {"kafka-1.example:9093,kafka-2.example:9093,kafka-3.example:9093": "BROKER", "username: chatbridge": "USER"},
    ),
    "mutual-tls.yaml": ("MUTUAL", {"kafka.example:9094": "BROKER"}),
    "strimzi.yaml": ("MUTUAL", {"my-cluster-kafka-bootstrap.kafka.svc:9093": "BROKER"}),
    "managed.yaml": ("SECURED", {"broker.cloud.example:9096": "BROKER", "username: contact-centre": "USER"}),
}
"""File -> the listener that it is for, and what of it is another in the test."""
_READ, _WRITE = AclOperation.READ, AclOperation.WRITE
WITHOUT_ALTERING = {
    ResourceType.TOPIC: (_READ, _WRITE, AclOperation.DESCRIBE_CONFIGS),
    ResourceType.GROUP: (_READ,),
    ResourceType.TRANSACTIONAL_ID: (_WRITE,),
}
CHANGED = {"kafka.replication_factor": 1, "kafka.partitions": 3, "kafka.transaction_timeout_seconds": 10}


def grant_use(broker: SecuredBroker, prefix: str) -> None:
    """Allow the user what a worker needs on topics that there are, and neither to create nor to alter."""
    rules = [
        AclBinding(kind, prefix, ResourcePatternType.PREFIXED, f"User:{USER}", "*", one, AclPermissionType.ALLOW)
        for kind, operations in WITHOUT_ALTERING.items()
        for one in operations
    ]
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})  # has to live until the answers are there
    for done in admin.create_acls(rules).values():
        done.result(30)


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_worker_with_a_documented_settings_file_becomes_ready(
    secured_broker: SecuredBroker, tmp_path: Path, name: str
) -> None:
    listener, replaced = EXAMPLES[name]
    values = {"BROKER": secured_broker.address(listener), "USER": f"username: {USER}"}
    file = written(
        name,
        tmp_path,
        secured_broker.authority,
        client=USER,
        password=PASSWORD,
        replaced={before: values[after] for before, after in replaced.items()},
    )
    environment = E2EEnvironment(secured_broker.bootstrap_servers, tmp_path)
    if name == "managed.yaml":
        environment.prepare()
        grant_use(secured_broker, environment.prefix)
    else:
        secured_broker.grant(environment.prefix)
    [port] = free_ports(1)
    own = {"kafka.topic_prefix": environment.prefix, "kafka.group": f"{environment.prefix}g", "http.port": port}
    more = {**CHANGED, **own}
    words = ["--config", str(file), *(word for key, value in more.items() for word in ("--set", f"{key}={value}"))]
    with Process(["run", *words], tmp_path / "worker.log") as worker:
        wait_for(lambda: ready(port) or not worker.running, 60, "not ready")
        assert worker.running, (tmp_path / "worker.log").read_text("utf-8")[-2000:]
        command = [sys.executable, "-m", "bridge", "topics", "plan", "--json", *words]
        plan = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert plan.returncode == 0, plan.stderr
        told = json.loads(plan.stdout)
        assert told["mismatches"] == [], plan.stderr
        missing = [change.partition(":")[0] for change in told["changes"]]
        assert missing == [f"create {environment.prefix}chat.capture.{kind}.v1" for kind in ("audit", "held")]
        assert worker.terminate() == 0
