"""An export that ends half-way leaves no file that looks whole, whatever ends it; half an export is not verified."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bridge import factories
from bridge.commands import export
from bridge.commands.log_files import FOLDER, log_files_of
from bridge.commands.record_files import files_of
from bridge.config import Config
from bridge.errors import EnvironmentFault, KafkaUnavailable
from tests.tampering.signed_copies import LEAVES, signed
from tests.tampering.topic_copies import EVENTS, SESSIONS, TopicCopiesReader, reader_of, sound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    Half = Callable[..., None]


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Half:
    """Export signed copies; a topic of which something was read ends with an error."""
    monkeypatch.setattr(factories, "client_of", lambda _: {})
    copies = signed(sound())
    monkeypatch.setattr(factories, "topics_of", lambda _: TopicCopiesReader(copies))
    monkeypatch.setattr(export, "reader", reader_of(copies))
    whole = TopicCopiesReader.whole

    def write(topic: str, error: BaseException, form: str = "jsonl") -> None:
        async def ending(self: TopicCopiesReader, name: str, partitions: Sequence[int]) -> AsyncIterator[Any]:
            async for records in whole(self, name, partitions):
                yield records
            if name == topic:
                raise error

        monkeypatch.setattr(TopicCopiesReader, "whole", ending)
        asyncio.run(export.write_files(Config(), tmp_path / "exported", form, None, log=True))

    (tmp_path / "exported").mkdir()
    return write


@pytest.mark.parametrize("form", ["jsonl", "avro"])
@pytest.mark.parametrize("topic", [SESSIONS, EVENTS, LEAVES])
@pytest.mark.parametrize(
    "error", [KafkaUnavailable("scripted"), asyncio.CancelledError(), OSError(28, "No space left")]
)
def test_nothing_is_left_of_an_export_that_ends_half_way(
    half: Half, tmp_path: Path, topic: str, error: BaseException, form: str
) -> None:
    with pytest.raises((KafkaUnavailable, asyncio.CancelledError, EnvironmentFault)):
        half(topic, error, form)
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_what_ends_an_export_is_told_also_where_a_file_could_not_be_begun(half: Half, tmp_path: Path) -> None:
    names = [each.name for each in (tmp_path / "exported").iterdir()]
    assert names == []
    half("no topic", KeyboardInterrupt(), "avro")
    for each in list((tmp_path / "exported").rglob("*.*")):
        each.unlink() if SESSIONS in each.name or each.parent.name == FOLDER else each.write_bytes(b"of somebody else")
    with pytest.raises(KafkaUnavailable):
        half(SESSIONS, KafkaUnavailable("scripted"), "avro")


def test_an_export_to_where_one_is_leaves_that_as_it_is(half: Half, tmp_path: Path) -> None:
    half("no topic", KeyboardInterrupt())
    before = {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    with pytest.raises(EnvironmentFault, match="cannot be written: File exists"):
        half("no topic", KeyboardInterrupt())
    assert {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()} == before


@pytest.mark.parametrize("folder", ["", FOLDER])
def test_what_is_not_whole_is_not_verified(half: Half, tmp_path: Path, folder: str) -> None:
    half("no topic", KeyboardInterrupt())
    exported = tmp_path / "exported"
    (exported / folder / "more.jsonl.part").write_bytes(b"")
    with pytest.raises(EnvironmentFault, match=r"more.jsonl.part is not whole"):
        log_files_of([exported]) if folder else files_of([exported])
