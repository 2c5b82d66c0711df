"""Notes, checkpoints and statements: what is written is read back, and what is not as it has to be is refused."""

from __future__ import annotations

from base64 import b64encode

import pytest

from bridge.errors import VerificationFailed
from bridge.evidence.anchors import (
    ChatHead,
    CommittedOffsets,
    Statement,
    head_of,
    parsed_statement,
    parsed_tree_head,
    statement_texts,
)
from bridge.evidence.merkle import edge_of, leaf_hash
from bridge.evidence.signed_note import PublicKey, note_of, parsed_key, parsed_note
from tests.evidence.signing_keys import ORIGIN, KnownKey, signed_head

KEY, OTHER = KnownKey(1), KnownKey(2)
EDGE = edge_of([leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")])
HEAD = head_of(ORIGIN, EDGE)
TEXT = "a text\nof two lines\n"


def encoded(kind: int, size: int = 32) -> str:
    return b64encode(bytes([kind]) + KEY.public.raw[:size]).decode()


def test_a_public_key_is_read_back_from_its_line() -> None:
    assert parsed_key(str(KEY.public)) == KEY.public
    assert str(KEY.public).startswith(f"{KEY.public.key_id}+")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "name+00000000",
        str(KEY.public).replace("+", "-"),
        f"{KEY.public.name}+00000000+{encoded(1)}",
        f"{KEY.public.key_id}+{encoded(2)}",
        f"{KEY.public.key_id}+{encoded(1, 31)}",
        f"{KEY.public.key_id}+*",
    ],
)
def test_what_names_no_public_key_is_refused(line: str) -> None:
    with pytest.raises(VerificationFailed):
        parsed_key(line)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "tab\there", "line\nend"])
def test_a_name_that_notes_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        PublicKey(name, KEY.public.raw)


def test_a_note_says_who_signed_it() -> None:
    note = parsed_note(note_of(TEXT, [KEY.line(TEXT), OTHER.line(TEXT)]))
    assert note.text == TEXT
    assert note.signed_by([OTHER.public]) == [OTHER.public]
    assert note.signed_by([KEY.public, OTHER.public]) == [KEY.public, OTHER.public]


def test_a_signature_of_another_text_or_key_is_refused() -> None:
    forged = parsed_note(note_of(TEXT, [KEY.line("another text\n")]))
    with pytest.raises(VerificationFailed, match="not valid"):
        forged.signed_by([KEY.public])
    with pytest.raises(VerificationFailed, match="no known key"):
        parsed_note(KEY.note(TEXT)).signed_by([OTHER.public])
    renamed = parsed_note(KEY.note(TEXT, "another/name"))
    with pytest.raises(VerificationFailed, match="no known key"):
        renamed.signed_by([KEY.public])


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"no signature\n",
        b"text\n\n",
        b"text\n\n\xe2\x80\x94 name\n",
        b"text\n\n- name AAAAAAAA\n",
        b"text\n\n\xe2\x80\x94 name AAAA\n",
        b"text\n\n\xe2\x80\x94 name AAAAAAAA",
        b"te\rxt\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"\xff\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"text\n\n" + b"\xe2\x80\x94 name AAAAAAAA\n" * 101,
    ],
)
def test_what_is_no_note_is_refused(value: bytes) -> None:
    with pytest.raises(VerificationFailed):
        parsed_note(value)


def test_a_head_is_read_back_from_its_note() -> None:
    note = parsed_note(signed_head(KEY, EDGE))
    assert note.signed_by([KEY.public.named(ORIGIN)])
    assert parsed_tree_head(note.text) == HEAD
    assert parsed_tree_head(f"{note.text}an extension\n") == HEAD


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{ORIGIN}\n3\n",
        HEAD.text().replace("\n3\n", "\n03\n"),
        HEAD.text().replace("\n3\n", "\n-3\n"),
        HEAD.text().replace("\n3\n", "\nthree\n"),
        HEAD.text().removesuffix("\n"),
        f"{ORIGIN}\n3\nAAAA\n",
        f"{ORIGIN}\n3\n*\n",
        f"\n{HEAD.text().split(chr(10), 1)[1]}",
        f"{HEAD.text()}\nafter an empty line\n",
    ],
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(VerificationFailed):
        parsed_tree_head(text)


def chat(number: int, session_id: str = "") -> ChatHead:
    return ChatHead(session_id or f"chat{number}", 0, number, "default", leaf_hash(b"%d" % number))


def test_a_statement_is_read_back() -> None:
    told = Statement(
        HEAD, 7, committed=[CommittedOffsets("t.events", 3, 5, 90)], chats=[chat(1), chat(2, "with space/\n:~%")]
    )
    assert parsed_statement(told.text()) == told
    assert statement_texts(HEAD, 7, told.committed, told.chats, room=10_000) == [told.text()]
    assert parsed_statement(statement_texts(HEAD, 7, [], [], room=1)[0]) == Statement(HEAD, 7)


def test_a_long_statement_comes_in_parts_each_with_the_head() -> None:
    room, chats = 2_000, [chat(number) for number in range(300)]
    texts = statement_texts(HEAD, 7, [], chats, room=room)
    assert max(map(len, texts)) <= room
    parts = [parsed_statement(text) for text in texts]
    assert [one for part in parts for one in part.chats] == chats
    assert [(part.part, part.parts, part.head) for part in parts] == [
        (number, len(texts), HEAD) for number in range(1, len(texts) + 1)
    ]


@pytest.mark.parametrize(
    "text",
    [
        HEAD.text(),
        Statement(HEAD, 7).text().replace("at 7\n", ""),
        Statement(HEAD, 7).text().replace("part 1 1", "part 1"),
        f"{Statement(HEAD, 7).text()}committed t 1\n",
        f"{Statement(HEAD, 7).text()}chat x 1 2 default *\n",
    ],
)
def test_what_is_no_statement_is_refused(text: str) -> None:
    with pytest.raises(VerificationFailed):
        parsed_statement(text)
