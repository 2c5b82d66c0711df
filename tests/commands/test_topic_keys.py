"""Keys that commands open records with: unwrapped at once, and one that cannot be had costs its own chat only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bridge.commands.topic_keys import TopicKeys
from bridge.errors import SealingFailed, VerificationFailed
from bridge.sealing.data_keys import key_record
from bridge.transcript.entries import LIVE, UNKNOWN, Entry
from tests.records.record_strategies import SESSION
from tests.sealing.known_keys import KnownMaster, data_key
from tests.sealing.test_sealed_fields import FACTS, FULL, PARTY, decoded, recorders
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.records.normalise import ChatRecorder
    from bridge.sealing.data_keys import WrappedKey

NAMES = [CHAT, SESSION, "0000TEST00000003"]


class PickyMaster(KnownMaster):
    """Does not know the master key of one chat."""

    refused = "0000TEST00000003"

    async def unwrap(self, keys: Sequence[WrappedKey]) -> list[bytes]:
        if any(key.name == self.refused for key in keys):
            self.calls += 1
            raise SealingFailed("another master key")
        return await super().unwrap(keys)


def keys_of(master: KnownMaster, names: Sequence[str] = NAMES) -> TopicKeys:
    found = TopicKeys(master)
    for key in asyncio.run(KnownMaster().wrap([(name, data_key(1)) for name in names])):
        found.take(key.name, key_record(key))
    return found


def test_all_are_unwrapped_in_one_call_and_once() -> None:
    master = KnownMaster()
    keys = keys_of(master)
    for _ in range(2):
        asyncio.run(keys.ready([*NAMES, "0000UNKNOWN00001"]))
    assert master.calls == 1
    assert len(keys.known([*NAMES, "0000UNKNOWN00001"])) == 3


def test_a_key_that_cannot_be_had_is_told_and_the_others_are_there() -> None:
    keys = keys_of(PickyMaster())
    keys.take("damaged", b"{}")
    asyncio.run(keys.ready([*NAMES, "damaged"]))
    assert len(keys.known(NAMES)) == 2
    for name, why in (
        ("0000TEST00000003", "another master key"),
        ("damaged", "cannot be read"),
        ("unknown", "destroyed"),
    ):
        with pytest.raises(VerificationFailed, match=why):
            keys.seal(name)


def test_a_destroyed_key_opens_nothing_and_what_is_in_clear_needs_none() -> None:
    clear, sealed, _ = recorders()  # whose first key is the one of `keys_of`
    shown, hidden = (_event(one) for one in (clear, sealed))
    keys = keys_of(KnownMaster(), [SESSION])
    assert {**asyncio.run(keys.opened(hidden)), "integrity": None} == {**shown, "integrity": None}
    destroyed = keys_of(KnownMaster(), [SESSION])
    destroyed.take(SESSION, None)
    assert asyncio.run(destroyed.opened(shown)) is shown
    with pytest.raises(VerificationFailed, match="destroyed"):
        asyncio.run(destroyed.opened(hidden))


def _event(recorder: ChatRecorder) -> dict[str, Any]:
    return decoded(recorder.event_record(Entry(UNKNOWN, 7, LIVE, 1, FULL, PARTY), FACTS))
