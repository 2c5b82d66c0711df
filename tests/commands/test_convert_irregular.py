"""`chatbridge convert` on transcripts that deviate from the published format, as real ones do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.commands.convert_process import Record, convert, records_of, timeless

if TYPE_CHECKING:
    from pathlib import Path

NOBODY: Record = dict.fromkeys(
    ("nickname", "userType", "protocolType", "personId", "timeZoneOffset", "clientVersion", "bot")
)


def record(sequence: int, event_id: int, kind: str, shift: int, **fields: Any) -> Record:
    """All fields of a record of chat 0000SIMU00000009; those that are not given are empty."""
    return {
        "id": f"0000SIMU00000009:{event_id}",
        "sessionId": "0000SIMU00000009",
        "eventId": event_id,
        "epoch": 0,
        "sequence": sequence,
        "kind": kind,
        "occurredAt": f"2031-03-06T09:00:{shift:02}Z",
        "occurredAtFrom": "START_PLUS_SHIFT",
        "occurredAtPrecision": 1000,
        "timeShift": shift,
        "visibility": "ALL",
        "receiverId": None,
        "party": {"userId": "00D4000000000001", **NOBODY},
        **dict.fromkeys(("message", "notice", "file", "departure", "gap", "fills", "amends", "amendment")),
        **{name: {} for name in ("userData", "userDataTypes", "eventAttributes", "eventAttributeTypes")},
        "unknownAttributes": {},
        "session": {
            "site": "main",
            "source": "UCS",
            "startAt": "2031-03-06T09:00:00Z",
            **dict.fromkeys(("tenant", "monitored", "idleTimeExpire", "server", "clientVersion")),
        },
        "origin": "ARCHIVE",
        "redactions": [],
        "ruleSet": None,
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
                "site": "main",
                "source": "UCS",
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


def test_what_is_not_utf_8_and_does_not_say_so_is_repaired_or_refused_by_line(tmp_path: Path) -> None:
    file = tmp_path / "latin.xml"
    file.write_bytes(
        f"{ROOT}\n<message eventId='1'><msgText>Grüße</msgText></message></chatTranscript>".encode("latin-1")
    )
    done = convert("--strict", file)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == f"{file}:2: INVALID_BYTES: the transcript is damaged\n".encode()
    done = convert(file)
    assert done.stderr == f"{file}: damaged; repaired in 1 place(s), --notes lists them\n".encode()
    assert [each["message"]["text"] for each in records_of(done.stdout)] == ["Gr\ufffd\ufffde"]


def test_without_a_readable_start_it_is_not_known_when_events_occurred_and_that_is_noted(tmp_path: Path) -> None:
    found = converted(
        tmp_path,
        """<chatTranscript startAt="yesterday" sessionId="0000SIMU00000009">
<message userId="00D4000000000001" timeShift="3" visibility="ALL" eventId="1"><msgText>said</msgText></message>
</chatTranscript>""",
        notes=("startAt is missing or unreadable: the times of its events are not known",),
    )
    nowhere = {
        "site": "main",
        "source": "UCS",
        **dict.fromkeys(("startAt", "tenant", "monitored", "idleTimeExpire", "server", "clientVersion")),
    }
    never: Record = dict.fromkeys(("occurredAt", "occurredAtFrom", "occurredAtPrecision"))
    assert found == [record(1, 1, "MESSAGE", 3, **never, message=message("said"), session=nowhere)]


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
            redactions=[{"field": "userData.GCTI_Chat_SessionPassword", "rule": "secret", "count": 1, "earlier": []}],
        )
    ]
