"""`verify --audit`: the chain of the audit topic, read without a right to write."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge import factories
from bridge.cli import main
from bridge.commands import verified_audit
from bridge.errors import EXIT_CONFIGURATION, EXIT_OK, EXIT_RUNTIME
from bridge.records.audit_chain import HELD, RELEASED, AuditChain, AuditEntry
from bridge.records.writer_schemas import WriterSchemas
from tests.tampering.topic_copies import CopiedRecord, TopicCopies, TopicCopiesReader, reader_of

if TYPE_CHECKING:
    from collections.abc import Callable

AUDIT = "chat.capture.audit.v1"
AT = 1_930_000_000_000_000
OUTCOMES = (HELD, HELD, RELEASED)


class NoRightsCheck:
    async def check(self) -> None:
        """Everything is granted."""


def audit_topic() -> TopicCopies:
    chain, copies = AuditChain(WriterSchemas.shipped(), "north"), TopicCopies({(AUDIT, 0): []})
    for number, outcome in enumerate(OUTCOMES):
        entry = AuditEntry(
            at=AT + number,
            verb="hold",
            request=f"r{number}",
            outcome=outcome,
            session_ids=("a",),
            who="someone@host",
            reason="a case",
        )
        copies.append(CopiedRecord(AUDIT, 0, entry.request.encode(), (), chain.made(entry), AT // 1000))
    return copies


@pytest.fixture
def verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(copies: TopicCopies, *words: str) -> tuple[int, str]:
        monkeypatch.setattr(factories, "rights_check_of", lambda *_: NoRightsCheck())
        monkeypatch.setattr(factories, "topics_of", lambda _: TopicCopiesReader(copies))
        monkeypatch.setattr(verified_audit, "reader", reader_of(copies))
        code = main(["verify", "--audit", *words])
        return code, capsys.readouterr().out

    return run


def test_a_chain_that_follows_is_sound(verify: Callable[..., tuple[int, str]]) -> None:
    code, said = verify(audit_topic())
    assert code == EXIT_OK
    assert said.splitlines()[-1].startswith("3 audit records from 2031-")
    assert said.endswith(": ok\n")
    code, said = verify(audit_topic(), "--json")
    told = json.loads(said)
    assert (code, told["auditRecords"], told["broken"], told["findings"]) == (EXIT_OK, 3, 0, [])


def removed(log: list[CopiedRecord]) -> None:
    del log[1]


def first_removed(log: list[CopiedRecord]) -> None:
    del log[0]


def swapped(log: list[CopiedRecord]) -> None:
    log[0], log[1] = log[1], log[0]


def replayed(log: list[CopiedRecord]) -> None:
    log.append(log[-1])


def changed(log: list[CopiedRecord]) -> None:
    log[1] = replace(log[1], value=log[1].value.replace(b"a case", b"a cask"))


def emptied(log: list[CopiedRecord]) -> None:
    log.clear()


@pytest.mark.parametrize(
    ("tamper", "where"),
    [
        (removed, "@1: record 2"),
        (first_removed, "@0: record 1"),
        (swapped, "@0: record 1"),
        (replayed, "@3: record 4"),
        (changed, "@1: record 2"),
        (emptied, "nothing to verify"),
    ],
)
def test_what_does_not_follow_is_named(
    verify: Callable[..., tuple[int, str]], tamper: Callable[[list[CopiedRecord]], None], where: str
) -> None:
    copies = audit_topic()
    tamper(copies.log(AUDIT, 0))
    code, said = verify(copies)
    assert code == EXIT_RUNTIME
    assert said.startswith("BROKEN audit: ")
    assert where in said


@pytest.mark.parametrize("words", [["--chat", "a"], ["--keys", "k"], ["--since", "2031-01-01"], ["exported"]])
def test_it_goes_with_nothing_that_selects_transcripts(words: list[str]) -> None:
    assert main(["verify", "--audit", *words]) == EXIT_CONFIGURATION
