"""Hypothesis strategies for items, events, transcripts and messages: values in the form the wires give back.

Canonical means: the value of an item is what `typed_value` makes of its text, text has only characters of XML 1.0
(unless another strategy for text is given), identifiers have no blanks around them.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from msgspec import structs

from bridge.chatserver.messages import (
    Event,
    EventError,
    EventRegistered,
    EventSessionInfo,
    EventStatus,
    FlexTranscript,
    Ping,
    Pong,
    Request,
    RequestJoin,
    RequestLogin,
    RequestLogout,
    RequestMessage,
    RequestNotify,
    RequestRefresh,
    RequestRegister,
    RequestReleaseParty,
)
from bridge.transcript.attributes import typed_value
from bridge.transcript.events import ChatEvent, ChatTranscript, Item, MessageText, NoticeText, Reason, UserInfo

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
EVENT_IDS = st.integers(0, 2**63 - 1)

_XML_CHARACTERS = st.characters(min_codepoint=0x20, exclude_categories=["Cs"], exclude_characters="\ufffe\uffff")
# One draw each: a text drawn character by character is what makes a strategy slow.
_ODD_XML_TEXTS = [
    "",
    " ",
    "\t\n\r",
    "\r\n",
    " <b>&amp;</b> ]]>",
    "\"'\\",
    "a.b#2",
    "\x7f\x85\u2028",
    "\ufeff\ufffd",
    "😀é中",
    "\\u0000",
]
_OTHER_TEXTS = ["\x00", "\x08\x0c\x1f", "\ufffe\uffff", "\ud800", "\udfff\ud800"]

IDENTIFIERS = st.text("0123456789ABCDEFabcxyz-", min_size=1, max_size=16)
WORDS = st.one_of(st.sampled_from(["message", "newParty", "SYS_COMMAND", "AGENT", "VIP"]), IDENTIFIERS)


def xml_texts(max_size: int = 8) -> SearchStrategy[str]:
    """Text of people, in characters that XML 1.0 has."""
    return st.sampled_from(_ODD_XML_TEXTS) | st.text(_XML_CHARACTERS, max_size=max_size)


def any_texts(max_size: int = 8) -> SearchStrategy[str]:
    """Text that no one should send: any code point, lone surrogates included."""
    return st.sampled_from(_OTHER_TEXTS + _ODD_XML_TEXTS) | st.text(
        st.characters(exclude_categories=()), max_size=max_size
    )


def _leaves(text: SearchStrategy[str]) -> SearchStrategy[Item]:
    numbers = st.one_of(
        st.builds(Item, text, st.sampled_from(["int", "long"]), INT64),
        st.builds(Item, text, st.just("float"), st.floats(allow_nan=False, allow_infinity=False)),
    )
    other_words = st.sampled_from(["string", "binary", "utf", "int", "long", "float", "Kvlist"])
    as_text = st.builds(Item, text, other_words, text).filter(
        lambda item: typed_value(str(item.value), item.type) == item.value
    )
    return st.one_of(as_text, numbers, st.builds(Item, text, st.just("kvlist"), st.just([])))


def item_lists(text: SearchStrategy[str] | None = None, max_leaves: int = 8) -> SearchStrategy[list[Item]]:
    """A KeyValueCollection: nested, with repeated keys, empty lists and every type of value."""
    text = xml_texts() if text is None else text
    keys = st.one_of(st.sampled_from(["a", "b", "a.b", "a#2", "", "\\", "#", "."]), text)
    tree = st.recursive(
        st.lists(_leaves(keys), max_size=4),
        lambda inner: st.lists(
            st.one_of(
                _leaves(keys),
                st.builds(Item, keys, st.sampled_from(["kvlist", "kvlist", "list", "string"]), inner.filter(bool)),
            ),
            max_size=4,
        ),
        max_leaves=max_leaves,
    )
    return st.one_of(st.just([]), tree)


def user_infos(text: SearchStrategy[str] | None = None) -> SearchStrategy[UserInfo]:
    """Who a party is."""
    text = xml_texts() if text is None else text
    return st.builds(UserInfo, text, WORDS, text, WORDS, st.none() | INT32, st.none() | INT32)


def message_texts(text: SearchStrategy[str] | None = None) -> SearchStrategy[MessageText]:
    """A text with its type and its treatment."""
    text = xml_texts() if text is None else text
    return st.builds(MessageText, text, st.none() | text, st.none() | WORDS)


def notice_texts(text: SearchStrategy[str] | None = None) -> SearchStrategy[NoticeText]:
    """A notice."""
    return st.builds(NoticeText, WORDS, xml_texts() if text is None else text)


def chat_events(
    event_ids: SearchStrategy[int] = EVENT_IDS, text: SearchStrategy[str] | None = None
) -> SearchStrategy[ChatEvent]:
    """One event of any type, known or not, with any combination of attributes."""
    text = xml_texts() if text is None else text
    return st.builds(
        ChatEvent,
        event_type=st.one_of(st.sampled_from(["newParty", "message", "notice", "partyLeft", "pushUrl"]), text),
        event_id=event_ids,
        user_id=st.just("") | IDENTIFIERS,
        time_shift=st.integers(0, 10**6) | INT32,
        visibility=st.sampled_from(["ALL", "INT", "VIP"]) | IDENTIFIERS,
        receiver_id=st.none() | IDENTIFIERS,
        user_info=st.none() | user_infos(text),
        message_text=st.none() | message_texts(text),
        notice_text=st.none() | notice_texts(text),
        asker_id=st.none() | IDENTIFIERS,
        reason=st.none() | st.builds(Reason, st.none() | INT32, text),
        user_data=item_lists(text),
        event_attributes=item_lists(text, max_leaves=4),
        unknown_attributes=st.dictionaries(text, text, max_size=3),
    )


def _numbered(pairs: list[tuple[int, ChatEvent]]) -> list[ChatEvent]:
    ids = accumulate(step for step, _ in pairs)
    return [structs.replace(event, event_id=event_id) for event_id, (_, event) in zip(ids, pairs, strict=True)]


def chat_transcripts(text: SearchStrategy[str] | None = None, max_events: int = 4) -> SearchStrategy[ChatTranscript]:
    """A transcript whose events have rising ids with holes."""
    text = xml_texts() if text is None else text
    steps = st.integers(1, 3) | st.integers(1, 10**6)
    return st.builds(
        ChatTranscript,
        session_id=IDENTIFIERS,
        start_at=st.sampled_from(["", "2031-03-04T10:00:00Z", "1999-12-31T23:59:59Z"]),
        idle_time_expire=st.none() | INT64 | text.filter(lambda written: typed_value(written, "int") == written),
        monitored=st.none() | st.just(True) | text.filter(lambda written: written != "true"),
        # Drawing the events from one strategy and numbering them after is ten times faster than a strategy per id.
        chat_event_list=st.lists(st.tuples(steps, chat_events(st.just(0), text)), max_size=max_events).map(_numbered),
    )


def events(text: SearchStrategy[str] | None = None) -> SearchStrategy[Event]:
    """Anything a server may say."""
    text = xml_texts() if text is None else text
    reference = st.none() | INT64
    flex = st.builds(FlexTranscript, IDENTIFIERS, INT64, text, st.lists(chat_events(text=text), max_size=2))
    return st.one_of(
        st.builds(EventRegistered, text, st.none() | INT32, reference),
        st.builds(EventSessionInfo, chat_transcripts(text), text, reference, st.none() | INT64 | text),
        st.builds(EventError, INT64, text, reference),
        st.builds(EventStatus, INT64, text, text, INT64, text, text, st.none() | flex, reference),
        st.builds(Ping, reference),
        st.builds(Pong, reference),
    )


def requests(text: SearchStrategy[str] | None = None) -> SearchStrategy[Request]:
    """Anything a client may say."""
    text = xml_texts() if text is None else text
    maybe, reference, data = st.none() | text, st.none() | INT64, item_lists(text, max_leaves=4)
    said = st.none() | message_texts(text)
    return st.one_of(
        st.builds(RequestRegister, text, WORDS, text, data, INT32, maybe, reference),
        st.builds(RequestJoin, reference, maybe, WORDS, data, said, maybe, maybe, maybe, maybe),
        st.builds(RequestMessage, text, message_texts(text), WORDS, maybe, reference),
        st.builds(
            RequestNotify, notice_texts(text), maybe, WORDS, said, data, maybe, reference, maybe, maybe, reference
        ),
        st.builds(RequestReleaseParty, text, maybe, INT32, said, reference),
        st.builds(RequestLogin, text, INT32, data, INT32, maybe, reference),
        st.builds(RequestRefresh, text, text, INT64, said, reference),
        st.builds(RequestLogout, text, text, INT64, said, reference),
        st.builds(Ping, reference),
        st.builds(Pong, reference),
    )
