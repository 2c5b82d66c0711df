"""The commands that erase, hold and export chats run with exactly the rights that `chatbridge acls` prints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.integration.capturing_bridge import SHORT_KAFKA_TIMEOUTS
from tests.integration.e2e_environment import E2EEnvironment
from tests.integration.test_rights import ended, missing, printed_by
from tests.integration.user_rights import Rights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.secured_broker import SecuredBroker

CHAT = "0000NOBODYKNOWS1"
REASON = ("--reason", "a test")
PERSON = ("jane@example.invalid", *REASON)


@pytest.fixture
def rights(secured_broker: SecuredBroker, tmp_path: Path) -> Iterator[Rights]:
    settings = {**secured_broker.settings, **SHORT_KAFKA_TIMEOUTS}
    found = Rights(secured_broker, E2EEnvironment(secured_broker.bootstrap_servers, tmp_path, **settings))
    yield found
    found.only([])


@pytest.fixture
def verb_flags(rights: Rights, tmp_path: Path) -> list[str]:
    """Make the topics, and a key of subjects; return the flags of all commands."""
    key = tmp_path / "pseudonyms"
    key.write_text("only of this test", "ascii")
    rights.environment.settings |= {"privacy__subjects": '["email"]', "privacy__hash_key_file": str(key)}
    return rights.flags


def test_what_needs_no_worker_runs_with_its_rights_and_nothing_is_denied(
    rights: Rights, verb_flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rights.only(rights.printed("topics apply"))
    printed_by(capsys, 0, "topics", "apply", *verb_flags)
    rights.only(rights.printed("hold"))
    assert "held" in printed_by(capsys, 0, "hold", CHAT, *REASON, *verb_flags)
    rights.only(rights.printed("erase"))
    assert "held" in printed_by(capsys, 1, "erase", CHAT, *REASON, *verb_flags)
    rights.only(rights.printed("release"))
    assert "released" in printed_by(capsys, 0, "release", CHAT, *REASON, *verb_flags)
    rights.only(rights.printed("subject find"))
    printed_by(capsys, 1, "subject", "find", PERSON[0], *verb_flags)
    assert rights.denials() == []


def test_each_missing_right_ends_a_verb_with_its_name(
    rights: Rights, verb_flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rights.only(rights.printed("topics apply"))
    printed_by(capsys, 0, "topics", "apply", *verb_flags)
    for words in (("hold", CHAT, *REASON), ("release", CHAT, *REASON), ("erase", CHAT, *REASON)):
        needed = rights.printed(words[0])
        for right in needed:
            rights.only([one for one in needed if one != right])
            code, message, _ = ended(capsys, *words, *verb_flags)
            assert code == 3, (words, right, message)
            assert re.search(missing(right), message), (words, right, message)
