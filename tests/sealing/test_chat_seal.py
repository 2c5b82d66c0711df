"""A sealed text opens to what was sealed, with its key, in its place, and unaltered; else it is refused."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import VerificationFailed
from bridge.sealing.chat_seal import PREFIX, ChatSeal, is_sealed
from tests.sealing.known_keys import data_key

NAME = "0000TEST00000001"
texts = st.text(st.characters(codec="utf-8"), max_size=60)
fields = st.sampled_from(["message.text", "notice.text", "userData.a", "userData.ab", "party.nickname"])
sequences = st.integers(0, 2**40)
places = st.tuples(fields, sequences, texts)


def whole_of(sealed: str) -> bytes:
    packed = sealed.removeprefix(PREFIX)
    return urlsafe_b64decode(packed + "=" * (-len(packed) % 4))


@given(st.integers(1, 5), places)
def test_it_opens_to_what_was_sealed_and_shows_nothing_of_it(key: int, place: tuple[str, int, str]) -> None:
    field, sequence, text = place
    seal = ChatSeal(NAME, data_key(key))
    sealed = seal.seal(field, sequence, text)
    assert is_sealed(sealed)
    assert seal.opened(field, sequence, sealed) == text
    assert len(whole_of(sealed)) == 12 + len(text.encode()) + 16
    if len(text.encode()) > 3:
        assert text.encode() not in whole_of(sealed)


@given(st.lists(places, min_size=2, max_size=30))
def test_no_nonce_serves_two_plain_texts_and_what_is_made_again_is_the_same(chat: list[tuple[str, int, str]]) -> None:
    nonces: dict[bytes, tuple[str, int, str]] = {}
    for place in [*chat, *chat]:
        sealed = ChatSeal(NAME, data_key(1)).seal(*place)  # another object, as after a restart
        assert sealed == ChatSeal(NAME, data_key(1)).seal(*place)
        assert nonces.setdefault(whole_of(sealed)[:12], place) == place


def test_another_text_in_the_same_place_has_another_nonce() -> None:
    seal = ChatSeal(NAME, data_key(1))
    first, second = (whole_of(seal.seal("message.text", 7, text)) for text in ("refund of 10", "refund of 20"))
    assert first[:12] != second[:12]


@pytest.mark.parametrize(
    ("name", "key", "field", "sequence"),
    [
        (NAME, 2, "message.text", 7),
        ("0000TEST00000002", 1, "message.text", 7),
        (NAME, 1, "notice.text", 7),
        (NAME, 1, "message.text", 8),
    ],
    ids=["key", "chat", "field", "record"],
)
def test_another_key_and_another_place_are_refused(name: str, key: int, field: str, sequence: int) -> None:
    sealed = ChatSeal(NAME, data_key(1)).seal("message.text", 7, "hello")
    with pytest.raises(VerificationFailed, match="another key, for another place, or altered"):
        ChatSeal(name, data_key(key)).opened(field, sequence, sealed)


def test_every_altered_character_is_refused() -> None:
    seal = ChatSeal(NAME, data_key(1))
    sealed = seal.seal("message.text", 7, "hello")
    for at in range(len(sealed)):
        altered = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
        with pytest.raises(VerificationFailed):
            seal.opened("message.text", 7, altered)
    for altered in (sealed[:-1], sealed[:-30], sealed + "A", sealed + "!", PREFIX, "hello", sealed.replace(PREFIX, "")):
        with pytest.raises(VerificationFailed):
            seal.opened("message.text", 7, altered)


@given(st.binary(max_size=200))
def test_bytes_are_sealed_like_texts(data: bytes) -> None:
    seal = ChatSeal(NAME, data_key(1))
    sealed = seal.seal_bytes("bytes", data)
    assert sealed.startswith(PREFIX.encode())
    assert seal.opened_bytes("bytes", sealed) == data
    for altered in (sealed[:-1], sealed + b"x", data + b"x", sealed[:9]):
        with pytest.raises(VerificationFailed):
            seal.opened_bytes("bytes", altered)


def test_the_form_is_the_documented_one() -> None:
    """Opened with nothing but what docs/sealing.md says."""
    key, field, sequence, text = data_key(1), "message.text", 7, "grüße"
    whole = whole_of(ChatSeal(NAME, key).seal(field, sequence, text))
    place = b"".join(
        (len(NAME).to_bytes(4, "big"), NAME.encode(), len(field).to_bytes(4, "big"), field.encode(), bytes(7) + b"\x07")
    )
    assert AESGCM(key).decrypt(whole[:12], whole[12:], place) == text.encode()
    nonce_key = hmac.new(key, b"chatbridge sealing 1: nonce", sha256).digest()
    assert whole[:12] == hmac.new(nonce_key, place + text.encode(), sha256).digest()[:12]


def test_a_key_has_256_bits() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ChatSeal(NAME, b"short")
