"""Holes of captured chats are filled from their stored side: killed workers, then backfill, verify and reconcile."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from bridge.simulator.harness.ledger import read_ledger
from tests.commands.convert_process import ENVIRON
from tests.integration.e2e_environment import E2EEnvironment, captured
from tests.support.processes import wait_for
from tests.support.stored_side import stored_side, write_stored_side

if TYPE_CHECKING:
    from pathlib import Path

CHATS = 6


def ended(ledger: Path) -> int:
    """How many chats have ended."""
    return sum(one.closed for one in read_ledger(ledger).values())


def chatbridge(environment: E2EEnvironment, *words: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    """Run a command with --json; return its exit code, its lines, and standard error."""
    flags = ["--bootstrap-servers", environment.broker, "--topic-prefix", environment.prefix, "--json"]
    command = [sys.executable, "-m", "bridge", *map(str, words), *flags]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, env=ENVIRON)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


@pytest.mark.timeout(240)
def test_what_was_missed_while_no_worker_ran_is_filled_from_the_stored_side(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path, kafka__session_timeout_seconds=6)
    stored = tmp_path / "stored"
    with ExitStack() as running:
        with environment.bridge() as first:
            first.wait_ready()
            simulator = environment.simulator(
                concurrent_chats=CHATS, chats=2 * CHATS, events_per_second=60, mean_events=30, finish=5, passwords=True
            )
            server = running.enter_context(simulator)
            wait_for(lambda: captured(first) > 30, 40, "nothing is captured")
            first.kill()
        # Chats end, and begin and end, while nobody watches.
        wait_for(lambda: ended(server.ledger) >= CHATS // 2, 60, "no chat ends")
        with environment.bridge() as second:
            second.wait_ready()
            server.terminate(60)
            environment.compare_when_closed(server)
            before = environment.certificates()
            assert any(one["verdict"] == "INCOMPLETE" for one in before.values())
            count = write_stored_side([server.ledger], stored)
            code, lines, told = chatbridge(environment, "reconcile", stored)
            summary = lines[-1]["summary"]
            assert (code, summary["classes"]["unexplained"]) == (1, 0), told
            assert summary["classes"]["missing"] + summary["classes"]["never_seen"] > 0

            code, lines, told = chatbridge(environment, "backfill", "--wait", stored)
            assert (code, lines[-1]["summary"]["sent"], lines[-1]["summary"]["published"]) == (0, count, True), told

            code, lines, told = chatbridge(environment, "verify")
            assert (code, lines[0]["broken"]) == (0, 0), lines[0]["findings"]
            code, lines, told = chatbridge(environment, "reconcile", stored)
            summary = lines[-1]["summary"]
            assert (code, summary["classes"]["unexplained"]) == (0, 0), lines
            assert summary["classes"]["filled"] > 0
            assert summary["classes"]["missing"] + summary["classes"]["never_seen"] == 0
            assert [one["ids"] for one in summary["sites"].values()] == ["agree"]
            assert second.terminate() == 0
    after = environment.certificates()
    assert set(stored_side([server.ledger])) <= set(after)
    assert all(certificate["gaps"] == [] for certificate in after.values())
    superseding = [one for name, one in after.items() if one["supersedes"] is not None and one != before.get(name)]
    assert superseding
