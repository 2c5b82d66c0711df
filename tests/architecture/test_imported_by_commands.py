"""Commands start quickly: those that only use Kafka import nothing that only a worker, or a client of HTTP, needs.

And small: a worker imports no package that only settings which it does not have need.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = {"aiohttp", "bridge.capture", "bridge.telemetry", "cryptography", "prometheus_client", "re2"}
DEFAULT_WORKER = """
import sys, bridge.commands.run
from bridge.config import load
from bridge.evidence_factory import evidence_of
from bridge.factories import names_of
from bridge.sealing_factory import sealing_of
from bridge.secrets_watch import SecretsWatch
from bridge.telemetry import Telemetry

config, secrets = load(None, {}, {}), SecretsWatch(Telemetry())
names = names_of(config)
evidence_of(config, names, secrets), sealing_of(config, names, secrets)
print(*sys.modules)
"""


@pytest.mark.parametrize("command", ["announce", "coverage", "tail", "topics", "verify"])
def test_a_command_that_only_uses_kafka_does_not_import_what_a_worker_needs(command: str) -> None:
    modules = modules_after(f"import sys, bridge.commands.{command}; print(*sys.modules)")
    assert "aiokafka" in modules
    assert modules & SLOW == set()


def test_a_worker_that_neither_seals_nor_signs_nor_has_patterns_does_not_import_what_these_need() -> None:
    modules = modules_after(DEFAULT_WORKER)
    assert "bridge.app" in modules
    assert modules & {"cryptography", "re2"} == set()


def modules_after(script: str) -> set[str]:
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(told.stdout.split())
