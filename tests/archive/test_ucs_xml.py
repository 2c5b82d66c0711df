"""Reading and writing of stored transcripts, the samples, and deviations that are tolerated."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from bridge.archive.ucs_xml import StoredTranscript, read, write
from bridge.transcript.events import ChatEvent, ChatTranscript, Item, MessageText, Reason, UserInfo, find, is_marked_bot
from tests.archive.stored_xml import SAMPLES, event_of, stored
from tests.strategies import any_texts, chat_transcripts

if TYPE_CHECKING:
    from pathlib import Path


@given(chat_transcripts())
def test_what_is_written_is_read_again(transcript: ChatTranscript) -> None:
    assert read(write(transcript), "s").transcript == transcript


@given(chat_transcripts(any_texts()))
def test_anything_can_be_written_and_read_and_what_is_read_stays(transcript: ChatTranscript) -> None:
    once = read(write(transcript), "s").transcript
    assert read(write(once), "s").transcript == once
    assert [event.event_id for event in once.chat_event_list] == [e.event_id for e in transcript.chat_event_list]


@given(chat_transcripts())
def test_what_is_written_is_xml_by_another_reader_too(transcript: ChatTranscript) -> None:
    root = ET.fromstring(write(transcript))  # noqa: S314 - a foreign reader, of what was just written
    assert [child.get("eventId") for child in root] == [str(event.event_id) for event in transcript.chat_event_list]
    for child, event in zip(root, transcript.chat_event_list, strict=True):
        said = child.find("msgText")
        assert (None if said is None else said.text or "") == (event.message_text and event.message_text.text)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_read_without_notes_and_survives_writing(sample: Path) -> None:
    first = read(sample.read_bytes(), sample.name)
    assert first.notes == []
    assert first.transcript.chat_event_list
    assert all(event.unknown_attributes == {} for event in first.transcript.chat_event_list)
    assert read(write(first.transcript), sample.name) == first


def elements(document: bytes) -> list[tuple[str, str, dict[str, str], str]]:
    """The elements as another reader has them, in their order: parent, name, attributes, text."""
    root = ET.fromstring(document)  # noqa: S314 - ours
    found = [
        (parent.tag, one.tag, dict(one.attrib), (one.text or "").strip()) for parent in root.iter() for one in parent
    ]
    for _, name, attributes, _ in found:
        if name == "item":
            attributes.setdefault("type", "string")  # as an item without a type is read, so it is written
    return [("", root.tag, dict(root.attrib), ""), *found]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_written_with_its_elements_and_attributes_in_their_order(sample: Path) -> None:
    content = sample.read_bytes()
    written = elements(write(read(content, sample.name).transcript))
    assert written == elements(content)
    assert [list(attributes) for *_, attributes, _ in written] == [list(one) for *_, one, _ in elements(content)]


def test_the_three_samples_are_here() -> None:
    assert [path.stem for path in SAMPLES] == [
        "async-restored-idle-close",
        "bot-agent-forced-close",
        "silent-monitor-files",
    ]


# --- what the samples say --------------------------------------------------------------------------------------------


def sample_events(name: str) -> tuple[ChatTranscript, dict[int, ChatEvent]]:
    """A sample, and its events by id."""
    [path] = [path for path in SAMPLES if path.stem == name]
    transcript = read(path.read_bytes(), name).transcript
    return transcript, {event.event_id: event for event in transcript.chat_event_list}


def test_the_restored_sample_has_typed_nested_and_repeated_items_and_holes_in_its_ids() -> None:
    transcript, events = sample_events("async-restored-idle-close")
    assert (transcript.session_id, transcript.start_at) == ("0000SIMC00000003", "2031-03-05T08:00:00Z")
    assert (transcript.idle_time_expire, transcript.monitored) == (3600, None)
    assert list(events) == [1, 2, 3, 4, 40, 41, 42, 43, 44, 45, 46]
    assert events[1].user_data == [
        Item("GCTI_Chat_AsyncMode", "string", "true"),
        Item("priority", "int", -3),
        Item("blob", "binary", "AAECAwQ="),
        Item(
            "context",
            "kvlist",
            [
                Item("step", "int", 2),
                Item("tag", "string", "a"),
                Item("tag", "string", "b"),
                Item("inner", "kvlist", []),
            ],
        ),
        Item("untyped", "string", "legacy"),
    ]
    assert events[4].reason == Reason(None, "left")
    assert events[42].reason == Reason(8, "removed during restoration")
    assert find(events[46].event_attributes, "GCTI_SYSTEM", "quit-reason-code") == "7"
    assert events[41].message_text == MessageText("Are you there? Код 7 ✓", treat_as="NORMAL")
    assert events[43].user_info == UserInfo("system", "SYSTEM", "", "NONE", 0, 0)


def test_the_bot_sample_has_a_marked_bot_and_a_workflow_without_a_client_version() -> None:
    _, events = sample_events("bot-agent-forced-close")
    assert [event_id for event_id, event in events.items() if is_marked_bot(event)] == [4]
    assert events[4].message_text == MessageText("Hello, I am a test bot.")
    assert events[2].user_info == UserInfo("workflow", "EXTERNAL", "", "ESP", 0, None)
    assert events[3].message_text == MessageText("Welcome & please wait.")
    assert events[15].asker_id == "00A1000000000004"
    assert events[12].visibility == "INT"


def test_the_monitored_sample_says_so_and_has_a_direct_message() -> None:
    transcript, events = sample_events("silent-monitor-files")
    assert transcript.monitored is True
    assert events[6].receiver_id == "00B2000000000002"
    assert [event.receiver_id for event_id, event in events.items() if event_id != 6] == [None] * 14
    assert find(events[7].user_data, "file-size") == "2048"


# --- what is tolerated -----------------------------------------------------------------------------------------------


def test_an_event_element_of_an_unknown_name_is_an_event() -> None:
    assert event_of('<pushUrl eventId="1"><msgText>x</msgText></pushUrl>') == ChatEvent(
        "pushUrl", 1, message_text=MessageText("x")
    )


def test_text_outside_the_message_text_is_kept_and_noted_by_line_and_length_only() -> None:
    data = stored('<message eventId="7" timeShift="0">secret <msgText/>word</message>')
    assert read(data, "s") == StoredTranscript(
        ChatTranscript(
            "S1",
            "2031-03-04T10:00:00Z",
            chat_event_list=[
                ChatEvent("message", 7, message_text=MessageText(""), unknown_attributes={"strayText": "secret word"})
            ],
        ),
        ["line 2: event 7 has text in odd places (11 characters)"],
    )


def test_text_between_events_is_noted_and_dropped() -> None:
    assert read(stored("secret"), "s").notes == ["line 3: text between events dropped (8 characters)"]


def test_line_breaks_in_attribute_values_are_blanks_and_around_identifiers_and_numbers_nothing() -> None:
    event = event_of(
        '<newParty eventId="\n12 " userId="\nU1\n" timeShift=" 5\n"><userInfo userNick="A\nB"/></newParty>'
    )
    assert event == ChatEvent("newParty", 12, "U1", 5, user_info=UserInfo("A B"))


def test_empty_elements_are_empty_values() -> None:
    event = event_of(
        '<partyLeft eventId="1"><reason/><msgText/><userData/><eventAttributes></eventAttributes></partyLeft>'
    )
    assert event == ChatEvent("partyLeft", 1, reason=Reason(), message_text=MessageText())


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ('<item key="a">5</item>', Item("a", "string", "5")),
        ('<item key="a" type="int">5</item>', Item("a", "int", 5)),
        ('<item key="a" type="int">05</item>', Item("a", "int", "05")),
        ('<item key="a" type="int">9223372036854775808</item>', Item("a", "int", "9223372036854775808")),
        ('<item key="a" type="float">0.5</item>', Item("a", "float", 0.5)),
        ('<item key="a" type="float">inf</item>', Item("a", "float", "inf")),
        ('<item key="a" type="float">nan</item>', Item("a", "float", "nan")),
        ('<item key="a"><item key="b"/></item>', Item("a", "kvlist", [Item("b")])),
        ('<item key="a" type="list"> <item key="b"/> </item>', Item("a", "list", [Item("b")])),
        ('<item key="a" type="kvlist"/>', Item("a", "kvlist", [])),
        ('<item key="a" type="kvlist">\n</item>', Item("a", "kvlist", [])),
        ('<item key="a" type="kvlist">text</item>', Item("a", "kvlist", "text")),
        ('<item key="a"> x </item>', Item("a", "string", " x ")),
        ("<item>x</item>", Item("", "string", "x")),
    ],
)
def test_an_item_is_typed_only_where_its_text_is_exactly_that(item: str, expected: Item) -> None:
    assert event_of(f'<notice eventId="1"><userData>{item}</userData></notice>').user_data == [expected]


@pytest.mark.parametrize(
    ("inner", "kept"),
    [
        ("<new/>", {"new": ""}),
        ("<new>text</new>", {"new": "text"}),
        ("<new>1</new><new>2</new><new>3</new>", {"new": "1", "new#2": "2", "new#3": "3"}),
        ('<new a="1">t<b/></new>', {"new": '{"attributes":{"a":"1"},"text":"t","children":[{"name":"b",'
         '"attributes":{},"text":"","children":[]}]}'}),
        ('<msgText zz="1"/>', {"messageText.zz": "1"}),
        ("<msgText><b>x</b></msgText>", {"messageText.b": "x"}),
        ('<userInfo zz="1">t</userInfo>', {"userInfo.zz": "1", "userInfo.strayText": "t"}),
        ('<userInfo timeZoneOffset="?"/>', {"userInfo.timeZoneOffset": "?"}),
        ('<userInfo clientVersion=""/>', {"userInfo.clientVersion": ""}),
        ('<userInfo clientVersion="2147483648"/>', {"userInfo.clientVersion": "2147483648"}),
        ('<noticeText zz="1"/>', {"noticeText.zz": "1"}),
        ('<reason code="left"/>', {"reason.code": "left"}),
        ("<msgText>1</msgText><msgText>2</msgText>", {"msgText": "2"}),
        ('<userData zz="1"/>', {"userData.zz": "1"}),
        ("<userData>t</userData>", {"userData.strayText": "t"}),
        ('<userData><item zz="1"/><new/></userData>', {"userData.item.zz": "1", "userData.new": ""}),
        ("<userData><item>t<item/></item></userData>", {"userData.strayText": "t"}),
        ("<userData/><userData>2</userData>", {"userData": "2"}),
        ('<unknownAttributes><item key="a b">1</item></unknownAttributes>', {"a b": "1"}),
        (
            '<unknownAttributes><item key="new#2">x</item></unknownAttributes><new>1</new><new>2</new>',
            {"new#2": "x", "new": "1", "new#3": "2"},
        ),
        ("<unknownAttributes>1</unknownAttributes>", {"unknownAttributes": "1"}),
    ],
)  # fmt: skip
def test_what_is_not_known_of_an_event_is_kept(inner: str, kept: dict[str, str]) -> None:
    assert event_of(f'<message eventId="1">{inner}</message>').unknown_attributes == kept


def test_an_unknown_attribute_of_an_event_is_kept() -> None:
    assert event_of('<message eventId="1" mood="fine"/>').unknown_attributes == {"mood": "fine"}


def test_the_name_of_an_event_is_its_type_whatever_attribute_of_ours_it_bears() -> None:
    event = event_of('<message eventId="1" eventType="other"/>')
    assert event == ChatEvent("message", 1, unknown_attributes={"eventType": "other"})
    assert event_of('<event eventId="1" eventType="two words"/>') == ChatEvent("two words", 1)


@pytest.mark.parametrize(
    ("shift", "kept"),
    [("", {}), ('timeShift="soon"', {"timeShift": "soon"}), ('timeShift="2147483648"', {"timeShift": "2147483648"})],
)
def test_an_event_without_a_readable_time_shift_is_taken_at_0_and_noted(shift: str, kept: dict[str, str]) -> None:
    result = read(stored(f'<message eventId="1" {shift}/>'), "s")
    assert result.transcript.chat_event_list == [ChatEvent("message", 1, unknown_attributes=kept)]
    assert result.notes == ["line 2: event 1 has no readable timeShift, 0 taken"]


def test_an_event_that_occurs_again_is_read_and_noted() -> None:
    result = read(stored('<a eventId="1" timeShift="0"/>', '<b eventId="1" timeShift="0"/>'), "s")
    assert [event.event_type for event in result.transcript.chat_event_list] == ["a", "b"]
    assert result.notes == ["line 3: event 1 occurs again"]


def test_unknown_attributes_of_the_root_are_dropped_and_noted_by_name() -> None:
    assert read(stored(root='zz="secret" aa=""'), "s").notes == [
        "line 1: unknown attributes of the root dropped (aa, zz)"
    ]


@pytest.mark.parametrize(
    ("root", "idle", "monitored"),
    [
        ("", None, None),
        ('idleTimeExpire="60" monitored="true"', 60, True),
        ('idleTimeExpire="2031-03-05T08:00:00Z" monitored="yes"', "2031-03-05T08:00:00Z", "yes"),
        ('idleTimeExpire="060" monitored="false"', "060", "false"),
    ],
)
def test_root_attributes_of_unpublished_type_stay_text_where_they_are_nothing_else(
    root: str, idle: object, monitored: object
) -> None:
    transcript = read(stored(root=root), "s").transcript
    assert (transcript.idle_time_expire, transcript.monitored) == (idle, monitored)


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1", "windows-1252"])
def test_the_declared_encoding_is_obeyed(encoding: str) -> None:
    text = stored('<message eventId="1"><msgText>Grüße</msgText></message>').decode()
    data = f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)
    assert read(data, "s").transcript.chat_event_list[0].message_text == MessageText("Grüße")


def test_an_event_type_that_is_no_name_of_an_element_survives_writing() -> None:
    transcript = ChatTranscript(
        "S1", chat_event_list=[ChatEvent("two words", 1), ChatEvent("", 2), ChatEvent("event", 3)]
    )
    assert read(write(transcript), "s").transcript == transcript


def test_what_xml_cannot_carry_is_written_as_the_replacement_character() -> None:
    transcript = ChatTranscript("S1", chat_event_list=[ChatEvent("x", 1, message_text=MessageText("a\x00b\ud800"))])
    assert read(write(transcript), "s").transcript.chat_event_list[0].message_text == MessageText("a\ufffdb\ufffd")
