"""Commands start quickly: those that only use Kafka import nothing that only a worker, or a client of HTTP, needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = {"aiohttp", "bridge.capture", "bridge.telemetry", "cryptography.x509", "prometheus_client"}


@pytest.mark.parametrize("command", ["announce", "coverage", "tail", "topics", "verify"])
def test_a_command_that_only_uses_kafka_does_not_import_what_a_worker_needs(command: str) -> None:
    script = f"import sys, bridge.commands.{command}; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(told.stdout.split())
    assert "aiokafka" in modules
    assert modules & SLOW == set()
