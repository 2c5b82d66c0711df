"""`chatbridge convert` over many files, damaged ones among them, and the same chat in several."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.commands.convert_process import ENVIRON, SAMPLES, assert_chained, convert, expected, records_of, timeless

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_chat_in_several_files_is_converted_once(tmp_path: Path) -> None:
    again = tmp_path / "again.xml"
    again.write_bytes(SAMPLES[0].read_bytes() * 2)
    done = convert(SAMPLES[0], again, SAMPLES[0], SAMPLES[1])
    assert done.returncode == 0
    assert timeless(records_of(done.stdout)) == expected(SAMPLES[0]) + expected(SAMPLES[1])


def test_a_cut_copy_gives_a_gap_alone_and_nothing_beside_a_whole_one(tmp_path: Path) -> None:
    data = SAMPLES[0].read_bytes()
    cut = tmp_path / "cut.xml"
    cut.write_bytes(data[: data.rindex(b"<msgText")])
    done = convert(cut)
    assert (done.returncode, done.stderr.decode()) == (
        0,
        f"{cut}: damaged; repaired in 1 place(s), --notes lists them\n",
    )
    alone = records_of(done.stdout)
    assert_chained(alone)
    gap = alone[-1]
    assert [each["kind"] for each in alone].count("GAP") == 1
    assert timeless(alone[:-1]) == expected(SAMPLES[0])[: len(alone) - 1]
    assert (gap["origin"], gap["gap"]["code"], gap["gap"]["toEventId"]) == ("ARCHIVE", "ARCHIVE_DAMAGED", None)
    for files in ((cut, SAMPLES[0]), (SAMPLES[0], cut)):
        assert timeless(records_of(convert(*files).stdout)) == expected(SAMPLES[0])


def test_a_changed_copy_amends(tmp_path: Path) -> None:
    edited = tmp_path / "edited.xml"
    data = SAMPLES[0].read_bytes()
    whole = expected(SAMPLES[0])
    said = next(each["message"]["text"] for each in whole if each["kind"] == "MESSAGE" and each["message"]["text"])
    assert data.count(said.encode()) == 1
    edited.write_bytes(data.replace(said.encode(), b"edited"))
    records = records_of(convert(SAMPLES[0], edited).stdout)
    assert_chained(records)
    [amendment] = [each for each in records if each["amends"]]
    assert (amendment["message"]["text"], amendment["amendment"]) == ("edited", "CHANGED")
    assert len(records) == len(whole) + 1


def test_a_pipe_is_read_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "convert", "/dev/stdin"],
        input=SAMPLES[0].read_bytes(),
        capture_output=True,
        timeout=60,
        check=False,
        env=ENVIRON,
    )
    assert timeless(records_of(done.stdout)) == expected(SAMPLES[0])
