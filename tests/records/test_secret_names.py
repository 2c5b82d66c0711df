"""Secrets are found by their names, whatever stands around them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.records.escapes import unescaped
from bridge.records.redactor import Redaction, Redactor
from bridge.records.secret_names import SECRET_NAMES, names_secret, without_secret
from bridge.transcript.events import Item

if TYPE_CHECKING:
    from collections.abc import Callable


def in_utf_16(text: str) -> str:
    return text.encode("utf-16-le").decode("latin-1")


def escaped_letters(text: str) -> str:
    return text.replace("S", "\\u0053").replace("K", "&#75;")


def in_json(text: str) -> str:
    return json.dumps({"a": text})


WRAPPERS = st.sampled_from(
    [
        lambda text: text,
        in_json,
        lambda text: json.dumps([1, {"b": [text]}]),
        lambda text: json.dumps(text, ensure_ascii=True),
        lambda text: f"\ufeff {text}",
        lambda text: f"callback({text});",
        lambda text: f"answer was: {text} (end)",
        in_utf_16,
        escaped_letters,
        escape,
    ]
)


@given(
    st.sampled_from(SECRET_NAMES),
    st.lists(WRAPPERS, max_size=5).filter(lambda wrappers: wrappers.count(in_utf_16) <= 1),  # nothing is UTF-16 twice
    st.text(max_size=5),
)
@example("SessionPassword", [escaped_letters, in_utf_16, in_json], "")
@example("SessionPassword", [in_json, in_utf_16, in_json], "")
@example("SecureKey", [escaped_letters, escape], "")
@example("SecureKey", [escaped_letters, escape, in_json, escape, escape], "")
@example("SecureKey", [escaped_letters, escape, in_utf_16, in_json], "")
@example("SessionPassword", [escaped_letters, in_utf_16, in_json, in_json], "")
@example("SessionPassword", [escaped_letters, in_utf_16, in_json, in_json, in_json], "")
@example("PushDeviceId", [in_json, in_utf_16, in_json, in_json], "\\")
def test_a_secret_by_name_is_removed_from_a_value_whatever_stands_around_it(
    name: str, wrappers: list[Callable[[str], str]], before: str
) -> None:
    value = json.dumps({name: "Zx9-hidden-71"})
    for wrap in wrappers:
        value = wrap(value)
    items = [Item("Kept", "string", "x"), Item("Note", "string", before + value)]
    inner = [Item("In", "kvlist", items), Item(before + value, "odd", "x"), Item("t", before + value, "x")]
    done: list[Redaction] = []
    values, types = Redactor().items("userData", inner, done)
    assert values == {"In.Kept": "x", "t": values["t"]}
    assert Redaction("userData.In.Note", "secret", 1) in done
    assert "hidden" not in repr((values, types, done)).replace("\\x00", "")
    said: list[Redaction] = []
    assert "hidden" not in Redactor().text("notice.text", before + value, said).replace("\0", "")
    assert said == [Redaction("notice.text", "secret", 1)]
    assert Redactor().unknown({"new": before + value}, []) == {}


@pytest.mark.parametrize(
    "said", ["SecureKey%3Dhidden", "https://e.example/?x=1&secure_key%3dhidden", "%22SecureKey%22%3A%22hidden"]
)
def test_a_text_that_gives_a_value_to_a_secret_in_the_spelling_of_a_url_is_masked(said: str) -> None:
    done: list[Redaction] = []
    assert "hidden" not in Redactor().text("message.text", said, done)
    assert done == [Redaction("message.text", "secret", 1)]


@given(
    st.lists(
        st.sampled_from(
            ["SecureKey", "Secure", "Key", "session", "Password", *"_-:=<{[%3Dad \\&#;\0", "&#61;", "\\u003a"]
        ),
        max_size=12,
    )
)
def test_a_text_is_masked_if_it_names_a_secret_and_has_what_gives_a_value_to_a_name(parts: list[str]) -> None:
    text = "".join(parts)
    shown = unescaped(text)
    gives_values = any(one in shown for one in ("{", "[", "<", "=", ":", "%3A", "%3D", "%3a", "%3d"))
    assert (without_secret(text) is not None) == (names_secret(text) and gives_values)


def test_who_only_talks_about_a_secret_keeps_the_words() -> None:
    done: list[Redaction] = []
    said = "I have lost my SecureKey"
    assert Redactor().text("message.text", said, done) == said
    assert done == []
