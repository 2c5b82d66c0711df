"""The published list of keys: who trusts one key trusts all, and an entry that nobody vouches for is refused."""

from __future__ import annotations

import pytest

from bridge.errors import VerificationFailed
from bridge.evidence.key_list import ListedKey, keys_trusted, parsed_key_list
from bridge.evidence.signed_note import note_of
from tests.evidence.signing_keys import KnownKey, listed

FIRST, SECOND, THIRD, STRANGER = (KnownKey(number) for number in range(1, 5))
LIST = listed([FIRST, SECOND, THIRD])


def test_a_list_is_read_back_in_its_order() -> None:
    found = parsed_key_list(LIST)
    assert [one.key for one in found] == [FIRST.public, SECOND.public, THIRD.public]
    assert [one.after for one in found] == [None, FIRST.public, SECOND.public]
    assert parsed_key_list("") == []


@pytest.mark.parametrize("known", [FIRST, SECOND, THIRD])
def test_who_knows_one_key_can_verify_with_all(known: KnownKey) -> None:
    trusted = keys_trusted([parsed_key_list(LIST)], [known.public])
    assert set(trusted) == {FIRST.public, SECOND.public, THIRD.public}


def test_a_list_without_a_known_key_adds_nothing() -> None:
    assert keys_trusted([parsed_key_list(LIST)], [STRANGER.public]) == [STRANGER.public]


def entry(key: KnownKey, after: KnownKey | None, *signers: KnownKey) -> str:
    text = ListedKey(key.public, "2026-02-01T00:00:00Z", after.public if after else None).text()
    return note_of(text, [one.line(text) for one in signers]).decode()


@pytest.mark.parametrize(
    "added",
    [
        entry(STRANGER, THIRD, STRANGER),
        entry(STRANGER, FIRST, STRANGER, FIRST),
        entry(STRANGER, None, STRANGER),
        entry(STRANGER, THIRD, THIRD),
        entry(STRANGER, THIRD, STRANGER, THIRD).replace("2026-02", "2026-03"),
        "something else\n",
        STRANGER.note(f"{STRANGER.public.name}/keys\nkey {STRANGER.public}\n").decode(),
        STRANGER.note(f"x/keys\nkey {STRANGER.public}\nsince now\n").decode(),
    ],
    ids=["own", "not the last", "first", "not itself", "changed", "no note", "no time", "another name"],
)
def test_a_key_that_is_not_vouched_for_is_refused(added: str) -> None:
    with pytest.raises(VerificationFailed):
        parsed_key_list(LIST + added)


def test_the_beginning_cannot_be_cut_off() -> None:
    rest = LIST[LIST.index(f"key {SECOND.public}") :]
    with pytest.raises(VerificationFailed):
        parsed_key_list(f"{SECOND.public.name}/keys\n{rest}")


def test_a_list_that_begins_with_a_signature_is_refused() -> None:
    for text in (f"— {FIRST.public.name}/keys", LIST[LIST.index("— ") :]):
        with pytest.raises(VerificationFailed, match="begins with a signature"):
            parsed_key_list(text)
