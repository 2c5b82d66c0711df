"""`chatbridge convert` as a process: every field of every record, compared with data that was checked by hand.

`samples/expected` has the records of each stored transcript, one a line; `observedAt` (which differs from run to run)
and `integrity` (which hashes it) are checked separately.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import fastavro
import fastavro.schema
import pytest

from tests.commands.convert_process import (
    HERE,
    SAMPLES,
    SCHEMA,
    assert_chained,
    convert,
    expected,
    records_of,
    timeless,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_every_sample_has_its_expected_records_beside_it() -> None:
    assert [path.stem for path in sorted((HERE / "samples" / "expected").iterdir())] == [path.stem for path in SAMPLES]
    assert [len(expected(sample)) for sample in SAMPLES] == [11, 15, 15]


def test_the_samples_become_exactly_the_records_that_people_found_in_them() -> None:
    before = datetime.now(UTC)
    done = convert(*SAMPLES)
    after = datetime.now(UTC)
    assert (done.returncode, done.stderr) == (0, b"")
    found = records_of(done.stdout)
    assert timeless(found) == [record for sample in SAMPLES for record in expected(sample)]
    assert all(before <= datetime.fromisoformat(record["observedAt"]) <= after for record in found)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_line_has_all_fields_of_the_schema_in_its_order_and_the_chain_holds(sample: Path) -> None:
    found = records_of(convert(sample).stdout)
    assert all(list(record) == [field["name"] for field in SCHEMA["fields"]] for record in found)
    assert_chained(found)


def test_an_avro_container_has_the_same_records_for_another_reader(tmp_path: Path) -> None:
    out = tmp_path / "records.avro"
    done = convert("--avro", out, *SAMPLES)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    with out.open("rb") as stream:
        reader = fastavro.reader(stream)
        assert fastavro.schema.fingerprint(
            fastavro.schema.to_parsing_canonical_form(reader.writer_schema), "SHA-256"
        ) == fastavro.schema.fingerprint(fastavro.schema.to_parsing_canonical_form(SCHEMA), "SHA-256")
        found: Any = list(reader)
    lines = [as_line(record) for record in found]
    assert timeless(lines) == [record for sample in SAMPLES for record in expected(sample)]
    for sample in SAMPLES:
        session_id = expected(sample)[0]["sessionId"]
        assert_chained([line for line in lines if line["sessionId"] == session_id])


def as_line(value: Any) -> Any:
    """What a foreign Avro reader gives, as the JSON lines write it."""
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case bytes():
            return value.hex()
        case dict():
            return {key: as_line(each) for key, each in value.items()}
        case list():
            return [as_line(each) for each in value]
        case _:
            return value


# --- files that are not as they should be ----------------------------------------------------------------------------


def test_a_broken_file_among_good_ones_is_one_line_and_the_others_are_converted(tmp_path: Path) -> None:
    broken = tmp_path / "broken.xml"
    broken.write_text('<chatTranscript sessionId="S1">\n<message eventId="1">\n<msgText>said</message>\n')
    done = convert("--strict", SAMPLES[0], broken, *SAMPLES[1:])
    assert (done.returncode, done.stderr) == (
        1,
        f"{broken}:3: MISMATCHED_TAG: the transcript is damaged\n".encode(),
    )
    assert timeless(records_of(done.stdout)) == [record for sample in SAMPLES for record in expected(sample)]


def test_a_file_that_breaks_after_good_events_gives_none_of_them_if_it_is_not_to_be_repaired(tmp_path: Path) -> None:
    broken = tmp_path / "broken.xml"
    broken.write_text(SAMPLES[0].read_text(encoding="utf-8") + "<", encoding="utf-8")
    done = convert("--strict", broken, "--avro", tmp_path / "out.avro")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{broken}:18: NOT_WELL_FORMED: the transcript is damaged\n".encode())
    assert not (tmp_path / "out.avro").exists()


def test_a_file_name_with_a_line_break_stays_one_line(tmp_path: Path) -> None:
    done = convert(tmp_path / "a\nb.xml")
    assert (done.returncode, done.stderr) == (1, f"{tmp_path}/a\\nb.xml:0: No such file or directory\n".encode())


def test_lines_are_utf_8_whatever_the_locale_says() -> None:
    [sample] = [path for path in SAMPLES if "Код 7 ✓" in path.read_text(encoding="utf-8")]
    done = convert(sample, PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, b"")
    assert timeless(records_of(done.stdout)) == expected(sample)


def test_a_transcript_is_never_taken_for_the_file_to_write(tmp_path: Path) -> None:
    first = tmp_path / "first.xml"
    first.write_bytes(SAMPLES[0].read_bytes())
    done = convert("--avro", first, *SAMPLES[1:])
    assert done.returncode == 2
    assert done.stderr.startswith(f"chatbridge: {first} exists and is not an Avro container file\n".encode())
    assert first.read_bytes() == SAMPLES[0].read_bytes()


def test_an_earlier_container_is_written_anew(tmp_path: Path) -> None:
    out = tmp_path / "out.avro"
    for sample in SAMPLES[:2]:
        assert convert("--avro", out, sample).returncode == 0
    with out.open("rb") as stream:
        assert timeless([as_line(record) for record in fastavro.reader(stream)]) == expected(SAMPLES[1])
