"""A chat's two sides: what a bridge records of its live events, and what is stored, with the documented changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from msgspec import structs

from bridge.archive.repaired_xml import read_repaired
from bridge.archive.ucs_xml import write
from bridge.chatserver.versions import carries_event, withhold_from_transcript
from bridge.reconciliation.archived_records import archived_records
from bridge.reconciliation.captured_chat import CapturedChat
from bridge.reconciliation.comparison import ChatComparison, StoredChatContents, compare_chat
from bridge.records.avro import TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.later_texts import NOTHING_LATER
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redactor import Redactor
from bridge.transcript.entries import COMPLETE, SessionFacts
from bridge.transcript.events import ChatEvent, ChatTranscript, Item, MessageText, NoticeText, Reason, UserInfo
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState
from bridge.transcript.times import parse_start_at
from bridge.transcript.updates import TranscriptUpdate
from tests.strategies import xml_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hypothesis.strategies import DrawFn

    from bridge.records.later_texts import LaterTexts
    from bridge.transcript.entries import Entry

CHAT = "0000SIMA00000001"
START = "2031-03-04T10:00:00Z"
RECORDING = Recording(Schemas(schema_folder()), Redactor([]))
USERS = ("00A1000000000001", "00A1000000000002", "00A1000000000003")
Events = list[ChatEvent]


@dataclass
class InventedChat:
    """A chat as its server knows it. `lost` are the ids of what was sent and lost in a fail-over at `failed_at`."""

    events: Events
    version: int = 106
    lost: set[int] = field(default_factory=set)
    failed_at: int | None = None
    deleted: set[str] = field(default_factory=set)


def captured_from(
    events: Events,
    *,
    version: int = 106,
    unseen: frozenset[int] = frozenset(),
    failed_at: int | None = None,
    later: LaterTexts = NOTHING_LATER,
) -> list[dict[str, Any]]:
    """What the bridge records that is sent these events: a history, then increments; it rejoins before `failed_at`.

    Events with ids in `unseen` are not sent, and nothing shows that they are missing. `later` is known beforehand.
    """
    fold = Transcript(TranscriptState(SessionFacts(CHAT, start_at=parse_start_at(START), server="chat-1:4800")))
    recorder = ChatRecorder(CHAT, RECORDING)
    recorder.later = later
    entries: list[Entry] = []
    for number, event in enumerate(events):
        if event.event_id in unseen or event.receiver_id is not None:
            continue
        again = event.event_id == failed_at
        told = [event] if not again else _history(events[: number + 1], unseen)
        transcript = withhold_from_transcript(ChatTranscript(CHAT, START, chat_event_list=told), version)
        update = TranscriptUpdate(transcript, over=False, snapshot=not entries or again, version=version, observed_at=1)
        entries += fold.apply(update)
    payloads = [recorder.event_record(entry, fold.facts) for entry in entries]
    return [RECORDING.schemas.decode(TRANSCRIPT_EVENT, payload) for payload in payloads]


def _history(events: Events, unseen: frozenset[int]) -> Events:
    return [one for one in events if one.event_id not in unseen and one.receiver_id is None]


def stored_from(
    events: Events, change: Callable[[bytes], bytes] = lambda text: text, captured: Iterable[dict[str, Any]] = ()
) -> StoredChatContents:
    """What the stored transcript with these events gives, `change`d before it is read, beside what was captured."""
    text = change(write(ChatTranscript(CHAT, START, chat_event_list=events)))
    copies = read_repaired(text, "test").documents
    records, _ = archived_records(CHAT, copies, RECORDING, 1, captured)
    return StoredChatContents(records, [[one.event_id for one in copy.transcript.chat_event_list] for copy in copies])


def carried(chat: InventedChat) -> Events:
    """The events of the stored side that a monitor is sent as well."""
    return [one for one in stored_image(chat)[0] if one.receiver_id is None and carries_event(one, chat.version)]


def compared(captured: list[dict[str, Any]], stored: StoredChatContents) -> ChatComparison:
    """The comparison of a chat that the bridge has closed, with nothing missing."""
    certificate = {"verdict": COMPLETE, "reasons": []}
    return compare_chat(CapturedChat(CHAT, captured, certificate), stored)


# --- chats -------------------------------------------------------------------------------------------------------

_ITEMS = st.lists(
    st.builds(Item, st.sampled_from(["page", "order", "a.b"]), st.just("string"), xml_texts()), max_size=2
)
_NUMBERS = st.lists(st.builds(Item, st.just("count"), st.just("int"), st.integers(0, 9)), max_size=1)


@st.composite
def chats(draw: DrawFn) -> InventedChat:
    """Chats with messages, typing, direct messages, files that are deleted, and departures."""
    chat = InventedChat([])
    shift = 0
    for number, user in enumerate(USERS):
        info = UserInfo(f"nick {number}", ("CLIENT", "AGENT", "EXTERNAL")[number], client_version=104 + number)
        data = [*draw(_ITEMS), *draw(_NUMBERS)]
        chat.events.append(ChatEvent("newParty", number + 1, user, 0, user_info=info, user_data=data))
    uploaded: list[str] = []
    for event_id in range(len(USERS) + 1, len(USERS) + 1 + draw(st.integers(2, 12))):
        shift += draw(st.integers(0, 3))
        user = draw(st.sampled_from(USERS))
        what = draw(st.sampled_from(["said", "said", "typing", "direct", "uploaded", "deleted", "custom", "skipped"]))
        text = MessageText(draw(xml_texts()) + f" {event_id}", treat_as=draw(st.sampled_from([None, "NORMAL"])))
        event = ChatEvent("message", event_id, user, shift, message_text=text, event_attributes=draw(_NUMBERS))
        if what == "skipped":
            continue
        if what == "typing":
            event = ChatEvent("notice", event_id, user, shift, notice_text=NoticeText("TYPING_STARTED"))
        elif what == "direct":
            event = structs.replace(event, receiver_id=USERS[0])
        elif what == "custom":
            event = ChatEvent("notice", event_id, user, shift, notice_text=NoticeText("USER_CUSTOM", text.text))
        elif what == "uploaded" or (what == "deleted" and uploaded):
            name = f"f{event_id}" if what == "uploaded" else uploaded.pop()
            (uploaded.append if what == "uploaded" else chat.deleted.add)(name)
            notice = NoticeText("SYS_COMMAND", f"file-{what}")
            event = ChatEvent(
                "notice", event_id, user, shift, notice_text=notice, user_data=[Item("file-id", value=name)]
            )
        chat.events.append(event)
    last = chat.events[-1].event_id + 1
    for number, user in enumerate(USERS[:2]):
        reason = Reason(None, "left") if number == 0 else Reason(4, "removed")
        chat.events.append(ChatEvent("partyLeft", last + number, user, shift, asker_id=USERS[0], reason=reason))
    chat.version = draw(st.sampled_from([101, 104, 106]))
    return chat


def stored_image(
    chat: InventedChat, *, masks: bool = False, old_server: bool = False, saves_typing: bool = False
) -> tuple[Events, Callable[[bytes], bytes]]:
    """The events of the stored side and the change of its text, with the documented differences (protocol, 3.9)."""
    kept = [event for event in chat.events if event.event_id not in chat.lost]
    kept = [event for event in kept if saves_typing or not _is_typing(event)]
    return [_amended(event, chat.deleted, masks=masks, old_server=old_server) for event in kept], (
        _without_types if old_server else lambda text: text
    )


def _is_typing(event: ChatEvent) -> bool:
    return event.notice_text is not None and event.notice_text.notice_type.startswith("TYPING")


def _amended(event: ChatEvent, deleted: set[str], *, masks: bool, old_server: bool) -> ChatEvent:
    notice = event.notice_text
    if notice and notice.text == "file-uploaded" and {item.value for item in event.user_data} & deleted:
        event = structs.replace(event, user_data=[*event.user_data, Item("file-deleted", value="true")])
    if masks and event.event_type == "message" and event.message_text is not None:
        masked = "".join("*" if one.isdigit() else one for one in event.message_text.text)
        event = structs.replace(event, message_text=structs.replace(event.message_text, text=masked))
    if old_server and event.message_text is not None:
        event = structs.replace(event, message_text=structs.replace(event.message_text, treat_as=None))
    if old_server and event.user_info is not None:
        event = structs.replace(event, user_info=structs.replace(event.user_info, client_version=None))
    return event


def _without_types(text: bytes) -> bytes:
    for word in (b"int", b"string"):
        text = text.replace(b' type="' + word + b'"', b"")
    return text
