"""The signed log in exported files: of one chat, of another output, damaged, and not there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge import factories
from bridge.commands import export
from bridge.commands.log_files import FOLDER
from bridge.commands.verification import Selection
from bridge.commands.verified_files import verify_files
from bridge.config import Config
from bridge.errors import EnvironmentFault
from bridge.evidence.log_audit import LEAF_OUTPUT
from tests.evidence.signing_keys import KnownKey
from tests.tampering.signed_copies import ANCHORS, KEY, LEAVES, NAME, signed
from tests.tampering.topic_copies import EVENTS, PARTITIONS, SESSIONS, TopicCopiesReader, reader_of, sound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bridge.commands.verification import Verification
    from tests.tampering.topic_copies import TopicCopies

    Export = Callable[..., Path]

P = 1
OPEN_CHAT = 3


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Export:
    """Export signed copies, or those that are given."""

    def write(copies: TopicCopies, *, log: bool = True, chat: str | None = None, form: str = "jsonl") -> Path:
        monkeypatch.setattr(factories, "client_of", lambda _: {})
        monkeypatch.setattr(factories, "topics_of", lambda _: TopicCopiesReader(copies))
        monkeypatch.setattr(export, "reader", reader_of(copies))
        folder = tmp_path / "exported"
        folder.mkdir()
        asyncio.run(export.write_files(Config(), folder, form, chat, log=log))
        return folder

    return write


def verified(folder: Path) -> Verification:
    return verify_files([folder], Selection(), [KEY.public])


def broken(folder: Path) -> list[str]:
    return [str(each) for each in verified(folder).findings(Selection()) if each.broken]


@pytest.mark.parametrize("form", ["jsonl", "avro"])
def test_the_log_lies_beside_the_records_in_both_formats(exported: Export, form: str) -> None:
    folder = exported(signed(sound()), form=form)
    assert len(list((folder / FOLDER).iterdir())) == 2 * PARTITIONS
    assert broken(folder) == []


def test_without_it_nothing_is_said_of_certificates_that_are_missing(exported: Export) -> None:
    folder = exported(signed(sound()), log=False)
    done = verified(folder)
    assert done.findings(Selection()) == []
    assert any("the log is not in the files" in limit for limit in done.unchecked())


@pytest.mark.parametrize("chat", range(OPEN_CHAT + 1))
def test_one_chat_is_compared_with_the_log_of_its_partition(exported: Export, chat: int) -> None:
    copies = signed(sound())
    folder = exported(copies, chat=copies.chats(P)[chat])
    assert len(list((folder / FOLDER).iterdir())) == 2
    done = verified(folder)
    assert done.findings(Selection()) == []
    assert done.verifier.chats == 1


@pytest.mark.parametrize("topic", [ANCHORS, LEAVES])
def test_a_damaged_file_of_it_is_found(exported: Export, topic: str) -> None:
    folder = exported(signed(sound()))
    file = folder / FOLDER / f"{topic}+{P}+0000000000.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:2], b"{}\n", *lines[3:]]))
    assert any(f"{file}: line 3: the line is no record" in each for each in broken(folder))


@pytest.mark.parametrize("topic", [ANCHORS, LEAVES])
def test_a_file_of_it_that_was_taken_away_is_found(exported: Export, topic: str) -> None:
    folder = exported(signed(sound()))
    (folder / FOLDER / f"{topic}+{P}+0000000000.jsonl").unlink()
    assert broken(folder)


def test_another_file_among_them_is_refused(exported: Export) -> None:
    folder = exported(signed(sound()))
    (folder / FOLDER / "notes.txt").write_text("something")
    with pytest.raises(EnvironmentFault, match="neither anchors nor leaves"):
        verified(folder)


def test_where_there_is_no_log_none_is_exported(exported: Export) -> None:
    with pytest.raises(EnvironmentFault, match="there is no topic"):
        exported(sound())


def test_keys_of_another_log_before_those_of_this_one_are_let_pass(exported: Export) -> None:
    folder = exported(signed(sound()))
    others = [KnownKey(2, "chatbridge/other/sessions").public, KnownKey(3, NAME[:-1]).public]
    done = verify_files([folder], Selection(), [*others, KEY.public])
    assert done.findings(Selection()) == []


def test_headers_without_a_value_are_exported_and_read_back(exported: Export) -> None:
    copies = signed(sound())
    for topic in (EVENTS, SESSIONS, LEAVES, ANCHORS):
        log = copies.log(topic, P)
        log[:] = [replace(record, headers=(*record.headers, ("trace", None))) for record in log]
    log = copies.log(LEAVES, P)
    log[:] = [replace(record, headers=((LEAF_OUTPUT, None),)) for record in log]
    assert broken(exported(copies)) == []
