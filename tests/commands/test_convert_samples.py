"""`chatbridge convert`, as a process: every field of every record, against data that people have read.

`samples/expected` holds what each stored transcript must become, one record a line; `observedAt` (the one thing that
differs from run to run) and `integrity` (which hashes it) are checked beside them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import fastavro.schema
import pytest

HERE = Path(__file__).parents[1]
SAMPLES = sorted((HERE / "samples").glob("*.xml"))
SCHEMA: Any = fastavro.schema.load_schema(str(HERE.parent / "schemas" / "org.chatbridge.v1.TranscriptEvent.avsc"))
ENVIRON = {key: value for key, value in os.environ.items() if not key.startswith("CHATBRIDGE_")}
INTEGRITY_BYTES = 2 * (1 + 32)  # two hashes, each behind its length
Record = dict[str, Any]


def convert(*words: str | Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bridge", "convert", *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, env={**ENVIRON, **environ})


def expected(sample: Path) -> list[Record]:
    """What people have found in the XML."""
    lines = (HERE / "samples" / "expected" / f"{sample.stem}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in lines.splitlines()]


def records_of(stdout: bytes) -> list[Record]:
    return [json.loads(line) for line in stdout.decode("utf-8").splitlines()]


def timeless(records: list[Record]) -> list[Record]:
    """The records without what differs from run to run."""
    return [{key: value for key, value in each.items() if key not in ("observedAt", "integrity")} for each in records]


def assert_chained(records: list[Record]) -> None:
    """Each record's hash covers its own bytes and the record before it; the bytes are fastavro's, not the bridge's."""
    previous = hashlib.sha256(records[0]["sessionId"].encode()).digest()
    for record in records:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, SCHEMA, as_avro(record))
        own = hashlib.sha256(previous + out.getvalue()[:-INTEGRITY_BYTES]).digest()
        assert record["integrity"] == {"previousHash": previous.hex(), "hash": own.hex()}
        previous = own


def as_avro(record: Record) -> Record:
    """A line's record as an Avro writer takes it: times as times, hashes as bytes."""
    session, integrity = record["session"], record["integrity"]
    return {
        **record,
        "occurredAt": record["occurredAt"] and datetime.fromisoformat(record["occurredAt"]),
        "observedAt": datetime.fromisoformat(record["observedAt"]),
        "session": {**session, "startAt": session["startAt"] and datetime.fromisoformat(session["startAt"])},
        "integrity": {name: bytes.fromhex(text) for name, text in integrity.items()},
    }


# --- the samples -----------------------------------------------------------------------------------------------------


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
    done = convert(SAMPLES[0], broken, *SAMPLES[1:])
    assert (done.returncode, done.stderr) == (1, f"{broken}:3: mismatched tag\n".encode())
    assert timeless(records_of(done.stdout)) == [record for sample in SAMPLES for record in expected(sample)]


def test_a_file_that_breaks_after_good_events_gives_none_of_them(tmp_path: Path) -> None:
    broken = tmp_path / "broken.xml"
    broken.write_text(SAMPLES[0].read_text(encoding="utf-8") + "<", encoding="utf-8")
    done = convert(broken, "--avro", tmp_path / "out.avro")
    assert (done.returncode, done.stderr) == (1, f"{broken}:18: unclosed token\n".encode())
    with (tmp_path / "out.avro").open("rb") as stream:
        assert list(fastavro.reader(stream)) == []


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
    assert done.stderr.startswith(f"chatbridge: {first} is there and no Avro container file\n".encode())
    assert first.read_bytes() == SAMPLES[0].read_bytes()


def test_an_earlier_container_is_written_anew(tmp_path: Path) -> None:
    out = tmp_path / "out.avro"
    for sample in SAMPLES[:2]:
        assert convert("--avro", out, sample).returncode == 0
    with out.open("rb") as stream:
        assert timeless([as_line(record) for record in fastavro.reader(stream)]) == expected(SAMPLES[1])


# --- real files are untidier -----------------------------------------------------------------------------------------

NOBODY: Record = dict.fromkeys(
    ("nickname", "userType", "protocolType", "personId", "timeZoneOffset", "clientVersion", "bot")
)


def record(sequence: int, event_id: int, kind: str, shift: int, **fields: Any) -> Record:
    """All fields of a record of chat 0000SIMU00000009; those that are not given are empty."""
    return {
        "id": f"0000SIMU00000009:{event_id}",
        "sessionId": "0000SIMU00000009",
        "eventId": event_id,
        "sequence": sequence,
        "kind": kind,
        "occurredAt": f"2031-03-06T09:00:{shift:02}Z",
        "timeShift": shift,
        "visibility": "ALL",
        "receiverId": None,
        "party": {"userId": "00D4000000000001", **NOBODY},
        **dict.fromkeys(("message", "notice", "file", "departure", "gap", "amends", "amendment")),
        **{name: {} for name in ("userData", "userDataTypes", "eventAttributes", "eventAttributeTypes")},
        "unknownAttributes": {},
        "session": {
            "startAt": "2031-03-06T09:00:00Z",
            **dict.fromkeys(("tenant", "monitored", "idleTimeExpire", "server", "clientVersion")),
        },
        "origin": "ARCHIVE",
        "redactions": [],
        **fields,
    }


def message(text: str, **fields: str) -> Record:
    return {"text": text, "messageType": None, "treatAs": None, **fields}


def departure(**fields: Any) -> Record:
    return {"askerId": None, "reasonCode": None, "reasonText": None, "quitReasonCode": None, **fields}


def converted(folder: Path, data: str | bytes, *, notes: tuple[str, ...] = ()) -> list[Record]:
    """The records of one file, which is read without complaint and with these notes."""
    file = folder / "untidy.xml"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    done = convert("--notes", file)
    assert (done.returncode, done.stderr.decode().splitlines()) == (0, [f"{file}: {note}" for note in notes])
    return timeless(records_of(done.stdout))


ROOT = '<chatTranscript startAt="2031-03-06T09:00:00Z" sessionId="0000SIMU00000009">'


def test_items_of_older_servers_have_no_type_and_are_strings_or_lists(tmp_path: Path) -> None:
    found = converted(
        tmp_path,
        f"""{ROOT}
<newParty userId="00D4000000000001" timeShift="1" visibility="ALL" eventId="1">
<userInfo personId="" userNick="Visitor Four" userType="CLIENT" protocolType="FLEX" timeZoneOffset="720"/>
<userData><item key="FirstName">Ada</item><item key="TimeZone">720</item><item key="PageTag"/>
<item key="context"><item key="step">2</item><item key="a.b">dot</item></item></userData></newParty>
</chatTranscript>""",
    )
    assert found == [
        record(
            1,
            1,
            "PARTY_JOINED",
            1,
            party={
                "userId": "00D4000000000001",
                "nickname": "Visitor Four",
                "userType": "CLIENT",
                "protocolType": "FLEX",
                "personId": "",
                "timeZoneOffset": 720,
                "clientVersion": None,
                "bot": None,
            },
            userData={
                "FirstName": "Ada",
                "TimeZone": "720",
                "PageTag": "",
                "context.step": "2",
                "context.a\\.b": "dot",
            },
        )
    ]


def test_text_outside_the_message_text_is_kept(tmp_path: Path) -> None:
    found = converted(
        tmp_path,
        f"""{ROOT}
<message userId="00D4000000000001" timeShift="3" visibility="ALL" eventId="2">stray
<msgText msgType="text">said</msgText></message>
</chatTranscript>""",
        notes=("line 2: event 2 has text in odd places (5 characters)",),
    )
    assert found == [
        record(
            1, 2, "MESSAGE", 3, message=message("said", messageType="text"), unknownAttributes={"strayText": "stray"}
        )
    ]


def test_line_breaks_in_attribute_values_are_blanks_and_around_ids_and_numbers_nothing(tmp_path: Path) -> None:
    found = converted(
        tmp_path,
        """<chatTranscript startAt="
2031-03-06T09:00:00Z" sessionId="
0000SIMU00000009
" monitored="true
">
<newParty userId="
00D4000000000001" timeShift="
7
" visibility="
VIP" eventId=" 3
"><userInfo personId="" userNick="Visitor
Four" userType="CLIENT" timeZoneOffset="
-60"/></newParty>
</chatTranscript>""",
    )
    assert found == [
        record(
            1,
            3,
            "PARTY_JOINED",
            7,
            visibility="VIP",
            party={
                **NOBODY,
                "userId": "00D4000000000001",
                "nickname": "Visitor Four",
                "userType": "CLIENT",
                "protocolType": "",
                "personId": "",
                "timeZoneOffset": -60,
            },
            session={
                "startAt": "2031-03-06T09:00:00Z",
                "tenant": None,
                "monitored": True,
                "idleTimeExpire": None,
                "server": None,
                "clientVersion": None,
            },
        )
    ]


def test_empty_elements_are_empty_values(tmp_path: Path) -> None:
    found = converted(
        tmp_path,
        f"""{ROOT}
<message userId="00D4000000000001" timeShift="1" visibility="ALL" eventId="1"><msgText/><userData/></message>
<notice userId="00D4000000000001" timeShift="2" visibility="ALL" eventId="2"><noticeText/><eventAttributes/></notice>
<partyLeft userId="00D4000000000001" timeShift="3" visibility="ALL" eventId="3"><reason/></partyLeft>
<message userId="00D4000000000001" timeShift="4" visibility="ALL" eventId="4"/>
</chatTranscript>""",
    )
    assert found == [
        record(1, 1, "MESSAGE", 1, message=message("")),
        record(2, 2, "NOTICE", 2, notice={"noticeType": "", "text": ""}),
        record(3, 3, "PARTY_LEFT", 3, departure=departure(reasonText="")),
        record(4, 4, "MESSAGE", 4),
    ]


def test_large_holes_in_the_ids_are_no_gaps_and_ids_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    events = [
        f'<message userId="00D4000000000001" timeShift="{shift}" visibility="ALL" eventId="{event_id}">'
        f"<msgText>{event_id}</msgText></message>"
        for event_id, shift in ((18, 5), (92, 6), (1, 4), (5_000_000_000, 7))
    ]
    assert converted(tmp_path, f"{ROOT}{''.join(events)}</chatTranscript>") == [
        record(1, 1, "MESSAGE", 4, message=message("1")),
        record(2, 18, "MESSAGE", 5, message=message("18")),
        record(3, 92, "MESSAGE", 6, message=message("92")),
        record(4, 5_000_000_000, "MESSAGE", 7, message=message("5000000000")),
    ]


def test_a_reason_without_a_code_is_an_ordinary_leave(tmp_path: Path) -> None:
    found = converted(
        tmp_path,
        f"""{ROOT}
<partyLeft userId="00D4000000000001" timeShift="9" visibility="ALL" eventId="8" askerId="00D4000000000002">
<reason>left</reason></partyLeft>
</chatTranscript>""",
    )
    assert found == [record(1, 8, "PARTY_LEFT", 9, departure=departure(askerId="00D4000000000002", reasonText="left"))]


@pytest.mark.parametrize(
    ("declaration", "codec", "text"),
    [
        ("", "utf-8", "Код 7 ✓ 😀"),
        ('<?xml version="1.0"?>', "utf-8", "Код 7 ✓ 😀"),
        ('<?xml version="1.0" encoding="UTF-8"?>', "utf-8-sig", "Код 7 ✓ 😀"),
        ('<?xml version="1.0" encoding="UTF-16"?>', "utf-16", "Код 7 ✓ 😀"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>', "iso-8859-1", "Grüße"),
        ('<?xml version="1.0" encoding="windows-1251"?>', "windows-1251", "Код 7"),
    ],
)
def test_the_encoding_is_the_declared_one_or_none(tmp_path: Path, declaration: str, codec: str, text: str) -> None:
    document = f"""{declaration}{ROOT}
<message userId="00D4000000000001" timeShift="1" visibility="ALL" eventId="1"><msgText>{text}</msgText></message>
</chatTranscript>"""
    assert converted(tmp_path, document.encode(codec)) == [record(1, 1, "MESSAGE", 1, message=message(text))]


def test_what_is_not_utf_8_and_does_not_say_so_is_refused_by_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.xml"
    file.write_bytes(
        f"{ROOT}\n<message eventId='1'><msgText>Grüße</msgText></message></chatTranscript>".encode("latin-1")
    )
    done = convert(file)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == f"{file}:2: not well-formed (invalid token)\n".encode()


def test_without_a_readable_start_it_is_not_known_when_events_occurred_and_that_is_noted(tmp_path: Path) -> None:
    found = converted(
        tmp_path,
        """<chatTranscript startAt="yesterday" sessionId="0000SIMU00000009">
<message userId="00D4000000000001" timeShift="3" visibility="ALL" eventId="1"><msgText>said</msgText></message>
</chatTranscript>""",
        notes=("no readable startAt: when its events occurred is not known",),
    )
    nowhere = dict.fromkeys(("startAt", "tenant", "monitored", "idleTimeExpire", "server", "clientVersion"))
    assert found == [record(1, 1, "MESSAGE", 3, occurredAt=None, message=message("said"), session=nowhere)]


def test_a_secret_in_an_archive_reaches_no_record(tmp_path: Path) -> None:
    found = converted(
        tmp_path,
        f"""{ROOT}
<notice userId="00D4000000000001" timeShift="1" visibility="ALL" eventId="1">
<noticeText noticeType="USER_CUSTOM">hint</noticeText>
<userData><item key="GCTI_Chat_SessionPassword" type="string">s3cret</item><item key="a" type="int">1</item></userData>
</notice></chatTranscript>""",
    )
    assert found == [
        record(
            1,
            1,
            "NOTICE",
            1,
            notice={"noticeType": "USER_CUSTOM", "text": "hint"},
            userData={"a": "1"},
            userDataTypes={"a": "int"},
            redactions=[{"field": "userData.GCTI_Chat_SessionPassword", "rule": "secret", "count": 1}],
        )
    ]
