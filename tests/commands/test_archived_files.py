"""What the sources of a backfill hold, chat by chat: files, folders, Avro containers, damaged ones among them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.archive.ucs_xml import read as read_xml
from tests.commands.archive_folder import DAMAGED, bent, read, sample
from tests.commands.convert_process import ENVIRON, SAMPLES, convert
from tests.support.modes import SUBJECT_TO_MODES

CHAT = "0000BENT00000001"


def ids_of(paths: list[Path]) -> list[str]:
    return [chat.session_id for chat in read(paths)[0]]


def test_a_folder_gives_the_chats_of_all_files_below_it(tmp_path: Path) -> None:
    (tmp_path / "2031" / "03").mkdir(parents=True)
    for number, path in enumerate(SAMPLES):
        (tmp_path / "2031" / ("03" if number else ".") / path.name.upper()).write_bytes(path.read_bytes())
    (tmp_path / "notes.txt").write_text("no transcript")
    assert sorted(ids_of([tmp_path])) == sorted(ids_of(SAMPLES))
    assert read([tmp_path])[1] == []


def test_several_chats_in_one_file_are_sent_one_by_one_as_they_were_read(tmp_path: Path) -> None:
    both = tmp_path / "both.xml"
    both.write_bytes(sample(0) + sample(1))
    chats, refused = read([both])
    assert (refused, [chat.copies[0].text for chat in chats]) == ([], [sample(0), sample(1)])
    assert [chat.copies[0].place for chat in chats] == [f"{both}[1]", f"{both}[2]"]


def test_the_records_of_an_avro_container_become_the_transcripts_that_they_came_from(tmp_path: Path) -> None:
    container = tmp_path / "records.avro"
    assert convert("--avro", container, *SAMPLES).returncode == 0
    chats, refused = read([container])
    assert refused == []
    assert {chat.session_id: list(chat.copies[0].events.values()) for chat in chats} == {
        told.transcript.session_id: told.transcript.chat_event_list
        for told in (read_xml(path.read_bytes(), "s") for path in SAMPLES)
    }


def test_a_container_of_something_else_or_a_cut_one_is_refused_with_a_code(tmp_path: Path) -> None:
    container = tmp_path / "records.avro"
    convert("--avro", container, *SAMPLES)
    cut = tmp_path / "cut.avro"
    cut.write_bytes(container.read_bytes()[:-200])
    chats, refused = read([cut])
    assert ([one.code for one in refused], len(chats)) == (["NOT_RECORDS"], 0)


def test_what_cannot_be_read_costs_itself_only(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(b"nothing of a transcript")
    (tmp_path / "b.xml").write_bytes(sample())
    chats, refused = read([tmp_path, tmp_path / "absent.xml"])
    assert (len(chats), [one.code for one in refused]) == (1, ["NOT_XML", "UNREADABLE_FILE"])


@pytest.mark.parametrize(("mode", "refused"), [(0o000, "closed"), (0o400, "closed/b.xml")])
def test_a_folder_that_may_not_be_read_is_named_and_the_rest_is_read(tmp_path: Path, mode: int, refused: str) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    for folder, name in ((tmp_path, "a.xml"), (closed, "b.xml")):
        (folder / name).write_bytes(sample(len(name) - 5))
    closed.chmod(mode)
    try:
        words = [*SUBJECT_TO_MODES, sys.executable, "-m", "bridge", "backfill", "--dry-run", "--json", str(tmp_path)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=ENVIRON)
    finally:
        closed.chmod(0o700)
    *rows, _ = [json.loads(line) for line in done.stdout.splitlines()]
    told = {Path(one["document"]["place"]).relative_to(tmp_path).as_posix(): one["document"]["code"] for one in rows}
    assert (told, done.returncode) == ({"a.xml": "", refused: "UNREADABLE_FILE"}, 1)
    assert "Permission denied" in done.stderr


def test_a_link_of_a_folder_to_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone.xml").symlink_to(tmp_path / "nowhere.xml")
    os.mkfifo(tmp_path / "pipe.xml")
    assert [(one.place, one.code) for one in read([tmp_path])[1]] == [(str(tmp_path / "gone.xml"), "UNREADABLE_FILE")]


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_transcript_is_read_or_refused_when_that_is_wanted(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "chat.xml"
    file.write_bytes(DAMAGED[kind])
    [chat] = read([file])[0]
    assert (chat.session_id, chat.copies[0].text) == (CHAT, DAMAGED[kind])
    assert chat.copies[0].repairs >= 1
    nothing, [refusal] = read([file], strict=True)
    assert (nothing, refusal.code) == ([], "DAMAGED")


def test_copies_are_told_in_the_order_that_corrects_and_none_twice(tmp_path: Path) -> None:
    texts = {"damaged": bent("\x0b"), "cut": bent("-")[:-60], "whole": bent("-"), "again": bent("-")}
    texts["edited"] = bent("edited")
    for name, text in texts.items():
        (tmp_path / f"{name}.xml").write_bytes(text)
    [chat] = read([tmp_path])[0]
    needed, others = chat.in_order()
    names = [copy.place.rpartition("/")[2].removesuffix(".xml") for copy in needed]
    assert len(chat.copies) == len(needed) + len(others) == 5
    assert set(names[-2:]) <= {"whole", "again", "edited"}
    assert names.count("whole") + names.count("again") == 1
    assert "edited" in names
