"""What erases, holds, exports and opens captured chats runs with exactly the rights that `chatbridge acls` prints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bridge.cli import main
from bridge.records.audit_chain import ERASED, NOT_YET_GONE
from tests.commands.convert_process import SAMPLES
from tests.integration.capturing_bridge import SHORT_KAFKA_TIMEOUTS
from tests.integration.e2e_environment import E2EEnvironment, all_joined, reasons
from tests.integration.test_rights import printed_by, with_its_rights, without_each
from tests.integration.user_rights import Rights, tries
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.secured_broker import SecuredBroker

CHAT = "0000NOBODYKNOWS1"
REASON = ("--reason", "a test")
VISITOR = "visitor1@example.invalid"
"""What the first customer of the simulator enters as e-mail address."""
AT_ONCE = ("--wait-seconds", "0")
"""What was deleted is asked for once more, and not waited for: Kafka compacts after ten minutes."""


@dataclass(frozen=True)
class CapturedChats:
    """Two closed chats in a sealed output, and a worker that runs with rights of its own."""

    broker: SecuredBroker
    environment: E2EEnvironment
    sessions: list[str]


@pytest.fixture(scope="module")
def captured_chats(secured_broker: SecuredBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CapturedChats]:
    folder = tmp_path_factory.mktemp("captured")
    files = {"sealing__master_key_file": "5a" * 32, "privacy__hash_key_file": "only of this test"}
    settings: dict[str, object] = {
        **SHORT_KAFKA_TIMEOUTS,
        "outputs": json.dumps([{"name": "default", "sealed": True}]),
        "privacy__subjects": json.dumps(["EmailAddress"]),
    }
    for name, content in files.items():
        (folder / name).write_text(content, "ascii")
        settings[name] = folder / name
    superuser = E2EEnvironment(secured_broker.bootstrap_servers, folder, **settings)
    user = E2EEnvironment(secured_broker.bootstrap_servers, folder, **secured_broker.settings, **settings)
    user.prefix = superuser.prefix
    with superuser.bridge() as bridge:
        with superuser.chats(concurrent_chats=2, events_per_second=20) as chats:
            wait_for(lambda: all_joined(bridge, 2), 40, lambda: str(reasons(bridge)))
            chats.terminate()
        wait_for(lambda: len(superuser.certificates()) == 2, 40, "not closed", poll=0.5)
        yield CapturedChats(secured_broker, user, sorted(superuser.certificates()))


@pytest.fixture
def rights(captured_chats: CapturedChats) -> Iterator[Rights]:
    found = Rights(captured_chats.broker, captured_chats.environment)
    found.only(found.printed("topics apply"))
    yield found
    found.only([])


@tries(
    *("topics apply", "hold", "erase", "release", "coverage", "export", "unseal", "backfill --wait"),
    *("subject find", "subject export", "subject hold", "subject erase"),
)
def test_captured_chats_are_worked_on_with_exactly_the_rights_for_it_and_nothing_is_denied(
    rights: Rights, captured_chats: CapturedChats, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(code: int, command: str, *words: str) -> str:
        return with_its_rights(rights, capsys, code, command, *words)

    run(0, "topics apply")  # the topics of holds and of the audit
    assert f"held; {0:,} records copied" in run(0, "hold", CHAT, *REASON)
    assert "held" in run(1, "erase", CHAT, *REASON)
    assert "released" in run(0, "release", CHAT, *REASON)

    assert "100.00 % of 2 chats" in run(0, "coverage")
    run(0, "export", str(tmp_path / "all"))
    printed_by(capsys, 0, "verify", str(tmp_path / "all"))
    assert "sealed:" not in run(0, "unseal", *REASON)
    assert str(SAMPLES[0]) in run(0, "backfill --wait", str(SAMPLES[0]))

    person = json.loads(run(0, "subject find", VISITOR, "--json", *REASON))["sessionId"]
    assert f"{person}: 0 records" not in run(0, "subject export", VISITOR, "--out", str(tmp_path / "one"), *REASON)
    assert " 0 records copied" not in run(0, "subject hold", VISITOR, *REASON)
    run(0, "release", person, *REASON)
    accepted(rights, capsys, "subject erase", VISITOR)
    [other] = [one for one in captured_chats.sessions if one != person]
    accepted(rights, capsys, "erase", other)
    assert rights.denials() == []


def accepted(rights: Rights, capsys: pytest.CaptureFixture[str], command: str, whom: str) -> None:
    """Erase with exactly the rights for it: the shard has deleted what it had, gone from the logs or not."""
    rights.exactly(command)
    capsys.readouterr()
    code = main([*command.split(), whom, *REASON, *AT_ONCE, "--json", *rights.flags])
    told = capsys.readouterr()
    [erased] = told.out.splitlines()
    assert (code, json.loads(erased)["outcome"]) in {(0, ERASED), (1, NOT_YET_GONE)}, told.err


MISSING = {
    "hold": (CHAT, *REASON),
    "release": (CHAT, *REASON),
    "erase": (CHAT, *REASON, *AT_ONCE),
    "unseal": REASON,
    "coverage": (),
    "subject find": (VISITOR, *REASON),
    "subject hold": (VISITOR, *REASON),
    "subject erase": (VISITOR, *REASON, *AT_ONCE),
}


@tries(lessened=[*MISSING, "export", "subject export"])
def test_each_missing_right_ends_a_command_with_its_name_and_how_to_grant_it(
    rights: Rights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed_by(capsys, 0, "topics", "apply", *rights.flags)
    cases = {
        **MISSING,
        "export": (str(tmp_path / "all"),),
        "subject export": (VISITOR, "--out", str(tmp_path / "one"), *REASON),
    }
    for command, words in cases.items():
        without_each(rights, capsys, command, *words)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "something was written before it was denied"
