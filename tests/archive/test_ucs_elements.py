"""What an element of a stored transcript says beyond what is known of it, and that none of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.archive.ucs_xml import read, write
from bridge.transcript.attributes import flatten
from bridge.transcript.events import ChatEvent, ChatTranscript, Item
from tests.archive.test_ucs_xml import event_of


def again(event: ChatEvent) -> ChatEvent:
    """The event after it was written and read."""
    [event] = read(write(ChatTranscript("S1", chat_event_list=[event])), "s").transcript.chat_event_list
    return event


@pytest.mark.parametrize(
    ("item", "expected", "kept"),
    [
        ('<item type="1"><message></message></item>', Item("", "1", ""), {"userData.message": ""}),
        ('<item key="a">5<new>x</new></item>', Item("a", "string", "5"), {"userData.new": "x"}),
        ('<item key="a"><new/></item>', Item("a", "string", ""), {"userData.new": ""}),
        ('<item key="a" type="int">5<new/></item>', Item("a", "int", 5), {"userData.new": ""}),
        ('<item key="a">5<new/>7<new>x</new></item>', Item("a", "string", "57"),
         {"userData.new": "", "userData.new#2": "x"}),
        ('<item key="a" type="float" z="1">05<new/></item>', Item("a", "float", "05"),
         {"userData.new": "", "userData.item.z": "1"}),
        ('<item key="a" type="binary">AAE=<new z="1"/></item>', Item("a", "binary", "AAE="),
         {"userData.new": '{"attributes":{"z":"1"},"text":"","children":[]}'}),
        ('<item key="a" type="kvlist"> <new/> </item>', Item("a", "kvlist", []), {"userData.new": ""}),
        ('<item key="a" type="kvlist">x<new/></item>', Item("a", "kvlist", "x"), {"userData.new": ""}),
        ('<item key="a" type="int">5<new/><item key="b"/></item>', Item("a", "int", [Item("b")]),
         {"userData.strayText": "5", "userData.new": ""}),
        ('<item key="a" type="list"><item key="b" type="list"><new>x</new></item></item>',
         Item("a", "list", [Item("b", "list", "")]), {"userData.new": "x"}),
        ('<item key="a" type=""/>', Item("a", "string", ""), {}),
        ('<item key="a" type="int"/>', Item("a", "int", ""), {}),
    ],
)  # fmt: skip
def test_what_has_no_place_in_an_item_is_kept_beside_it_and_its_value_survives_writing(
    item: str, expected: Item, kept: dict[str, str]
) -> None:
    event = event_of(f'<message eventId="1"><userData>{item}</userData></message>')
    assert event == ChatEvent("message", 1, user_data=[expected], unknown_attributes=kept)
    assert again(event) == event


@pytest.mark.parametrize("item", [Item("a", "list", []), Item("a", "int", []), Item("a", "kvlist", "")])
def test_what_the_flat_form_shows_as_an_empty_list_is_written_as_one(item: Item) -> None:
    user_data = again(ChatEvent("message", 1, user_data=[item])).user_data
    assert user_data == [Item("a", "kvlist", [])]
    assert flatten(user_data) == flatten([item])


_NAMES = ["message", "msgText", "userInfo", "noticeText", "reason", "userData", "item", "unknownAttributes", "SAID"]
_ATTRIBUTES = ["eventId", "timeShift", "key", "type", "code", "clientVersion", "eventType", "userId", "new"]
_VALUES = st.sampled_from(["1", "-1", "kvlist", "int", "x", "", " 7 ", "SAID"])


def element(name: str, attributes: dict[str, str], parts: list[str]) -> str:
    """One element as text."""
    shown = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{name}{shown}>{''.join(parts)}</{name}>"


_SETS_OF_ATTRIBUTES = st.dictionaries(st.sampled_from(_ATTRIBUTES), _VALUES, max_size=3)
_ELEMENTS: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(["SAID", " ", "7"]),
    lambda inner: st.builds(element, st.sampled_from(_NAMES), _SETS_OF_ATTRIBUTES, st.lists(inner, max_size=4)),
    max_leaves=12,
)
_EVENTS = st.builds(
    element,
    st.sampled_from(["message", "event", "SAID"]),
    _SETS_OF_ATTRIBUTES.map(lambda attributes: {**attributes, "eventId": "1"}),
    st.lists(_ELEMENTS, max_size=3),
)


@settings(max_examples=1000)
@given(_EVENTS)
@example('<message eventId="1"><userData><item type="1"><message></message></item></userData></message>')
@example('<SAID eventId="1" eventType="x"></SAID>')
def test_whatever_elements_an_event_has_none_of_its_text_is_lost(written: str) -> None:
    event = event_of(written)
    assert repr(event).count("SAID") == written.count("SAID") - written.count("</SAID>")
    assert again(event) == event
