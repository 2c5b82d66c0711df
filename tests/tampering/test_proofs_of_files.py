"""Certificates that were exported are proved by leaves and anchors once the sessions topic does not have them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge import factories
from bridge.commands import export, proof
from bridge.commands.filed_certificates import certificates_in
from bridge.config import Config
from bridge.errors import EnvironmentFault
from bridge.records.avro import SESSION_RECORD
from tests.tampering.signed_copies import KEY, signed
from tests.tampering.topic_copies import PARTITIONS, SCHEMAS, SESSIONS, TopicCopiesReader, reader_of, sound

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tampering.topic_copies import TopicCopies

P = 1
CLOSED_TWICE = 1


def use(monkeypatch: pytest.MonkeyPatch, copies: TopicCopies) -> None:
    monkeypatch.setattr(factories, "client_of", lambda _: {})
    monkeypatch.setattr(factories, "topics_of", lambda _: TopicCopiesReader(copies))
    for module in (export, proof):
        monkeypatch.setattr(module, "reader", reader_of(copies))


def exported(monkeypatch: pytest.MonkeyPatch, copies: TopicCopies, folder: Path, form: str) -> Path:
    use(monkeypatch, copies)
    folder.mkdir()
    asyncio.run(export.write_files(Config(), folder, form, None))
    return folder


@pytest.mark.parametrize("form", ["jsonl", "avro"])
def test_an_exported_certificate_is_proved_without_the_sessions_topic(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    copies = signed(sound())
    chat = copies.chats(P)[CLOSED_TWICE]
    folder = exported(monkeypatch, copies, tmp_path / "exported", form)
    for partition in range(PARTITIONS):
        copies.log(SESSIONS, partition).clear()
    gone = asyncio.run(proof.prove(Config(), chat, [KEY.public]))
    assert (gone.certificates, gone.sound) == (0, False)
    records = certificates_in(folder, chat)
    found = asyncio.run(proof.prove(Config(), chat, [KEY.public], given=records))
    assert found.sound
    assert [one.signed_by for one in found.bundles] == [KEY.public.key_id] * 2


def test_an_exported_certificate_that_was_changed_is_not_proved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copies = signed(sound())
    chat = copies.chats(P)[CLOSED_TWICE]
    changed = copies.copy()
    log = changed.log(SESSIONS, P)
    for at, record in enumerate(log):
        told = SCHEMAS.decode(SESSION_RECORD, record.payload)
        if told["certificate"] is not None:
            log[at] = record.with_payload(SCHEMAS.encode(SESSION_RECORD, told | {"tenant": "another"}))
    folder = exported(monkeypatch, changed, tmp_path / "exported", "jsonl")
    use(monkeypatch, copies)
    found = asyncio.run(proof.prove(Config(), chat, [KEY.public], given=certificates_in(folder, chat)))
    assert not found.sound
    assert all("is in no tree" in each.message for each in found.findings)


def test_files_without_session_records_prove_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = exported(monkeypatch, sound(), tmp_path / "exported", "jsonl")
    for file in folder.glob(f"{SESSIONS}*"):
        file.unlink()
    with pytest.raises(EnvironmentFault, match="no file of session records"):
        certificates_in(folder, "a")
