"""Verifying copies of topics as the command does it, and files that were exported from them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge import factories
from bridge.commands import export, verified_topics
from bridge.commands.verification import Selection
from bridge.commands.verified_files import verify_files
from bridge.config import Config
from bridge.records.writer_schemas import WriterSchemas
from tests.tampering.signed_copies import KEY
from tests.tampering.topic_copies import TopicCopiesReader, reader_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bridge.commands.verification import Verification
    from tests.tampering.topic_copies import TopicCopies

    Verify = Callable[[TopicCopies, str, Selection], Verification]

_SHIPPED = WriterSchemas.shipped()
EVERYTHING = Selection()


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Verify:
    """Verify copies as they are, or files of one of the formats that they are exported to first."""
    config = Config()
    monkeypatch.setattr(WriterSchemas, "shipped", lambda: _SHIPPED)
    monkeypatch.setattr(factories, "client_of", lambda _: {})

    def verify(copies: TopicCopies, source: str, selection: Selection = EVERYTHING) -> Verification:
        monkeypatch.setattr(factories, "topics_of", lambda _: TopicCopiesReader(copies))
        for module in (export, verified_topics):
            monkeypatch.setattr(module, "reader", reader_of(copies))
        if source == "kafka":
            return asyncio.run(verified_topics.verify_topics(config, selection))
        if source == "signed":
            return asyncio.run(verified_topics.verify_topics(config, selection, [KEY.public]))
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        keyed = source == "signed files"
        asyncio.run(export.write_files(config, folder, "jsonl" if keyed else source, None, log=keyed))
        return verify_files([folder], selection, [KEY.public] if keyed else ())

    return verify
