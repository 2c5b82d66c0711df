"""An installation where all is well, for `chatbridge doctor` to examine, and what it says of one."""

from __future__ import annotations

import io
import json
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

from bridge.cli import main
from bridge.sandbox.process import LOOPBACK
from tests.support.certificates import Authority
from tests.support.processes import Bridge, Simulator, wait_for
from tests.support.tls_address import TlsAddress
from tests.support.unique_prefixes import unique_prefix

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bridge.sandbox.broker import LocalCluster

CANARY = "canary-5ecret-5ecret"
"""A secret of the settings; it must not occur in anything that is printed."""
DAYS = 60
PARTITIONS = 3
Line = dict[str, str]


def doctor(settings: Mapping[str, object], *words: str) -> tuple[int, list[Line]]:
    """Run it in this process; return its exit code and its lines. No secret is printed."""
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        code = main(["doctor", "--json", *words, *flags_of(settings)])
    assert errors.getvalue() == ""
    assert CANARY not in out.getvalue()
    found = json.loads(out.getvalue())
    assert found["exitCode"] == code
    return code, found["checks"]


def flags_of(settings: Mapping[str, object]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def failures(lines: list[Line]) -> set[tuple[str, str]]:
    return {(line["check"], line["code"]) for line in lines if line["state"] == "failed"}


def of(lines: list[Line], check: str, code: str) -> Line:
    """Return the one line of a check with this code."""
    [found] = [line for line in lines if (line["check"], line["code"]) == (check, code)]
    assert found["next"]
    return found


class Installation:
    """Three brokers, a registry, a Chat Server behind TLS, and a worker that captures from it."""

    def __init__(self, cluster: LocalCluster, registry: str, folder: Path, stack: ExitStack) -> None:
        self.cluster = cluster
        self.prefix = unique_prefix()
        authority = Authority(folder, days=DAYS)
        client = authority.issue("worker")
        self.address = stack.enter_context(TlsAddress(0, authority))
        shown = f"{LOOPBACK}:{self.address.port}"
        settings = {
            "kafka__partitions": PARTITIONS,
            "schema_registry__url": registry,
            "sources__chat_server__tls__enabled": "true",
            "sources__chat_server__tls__ca_file": authority.file,
            "sources__chat_server__tls__certificate_file": client.certificate_file,
            "sources__chat_server__tls__key_file": client.key_file,
        }
        self.bridge = stack.enter_context(
            Bridge(cluster.bootstrap_servers, folder / "bridge.log", prefix=self.prefix, worker="worker-1", **settings)
        )
        self.bridge.wait_ready()
        self.simulator = stack.enter_context(
            Simulator(
                folder / "simulator.log",
                folder / "ledger.jsonl",
                announce_url=self.bridge.url,
                announce_address=shown,
                concurrent_chats=3,
                think_scale=0.1,
            )
        )
        self.address.target = int(self.simulator.address.rpartition(":")[2])
        self.chat_server = ("--chat-server", shown)
        self.settings: dict[str, Any] = {
            "kafka.bootstrap_servers": cluster.bootstrap_servers,
            "kafka.topic_prefix": self.prefix,
            "kafka.group": f"{self.prefix}bridge",
            "http.port": self.bridge.port,
            "http.token": CANARY,
            "worker_id": "worker-1",
            **{name.replace("__", "."): value for name, value in settings.items()},
        }
        wait_for(lambda: self.bridge.metric("chatbridge_events_total") > 20, 40, "nothing is captured")

    def elsewhere(self, prefix: str) -> dict[str, Any]:
        """Return the settings of another installation on the same servers."""
        return {**self.settings, "kafka.topic_prefix": prefix, "kafka.group": f"{prefix}bridge"}

    def topic(self, kind: str) -> str:
        return f"{self.prefix}chat.{kind}.v1"
