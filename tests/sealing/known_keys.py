"""Keys of tests: a master key that is known, and what wraps with it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from bridge.errors import SealingFailed
from bridge.sealing.chat_seal import ChatSeal
from bridge.sealing.data_keys import WrappedKey, name_of_partition

if TYPE_CHECKING:
    from collections.abc import Sequence

MASTER: Final = "test-1"
_MASK: Final = 0x5A


def data_key(number: int) -> bytes:
    """Return a key that only tests use."""
    return sha256(b"data key %d" % number).digest()


class CountedKeys:
    """New keys, each another one."""

    def __init__(self, first: int = 0) -> None:
        self.made = first

    def __call__(self) -> bytes:
        self.made += 1
        return data_key(self.made)


class KnownDataKeys:
    """The `DataKeys` of tests without a shard."""

    def __init__(self) -> None:
        self._keys = CountedKeys()
        self.seals: dict[str, ChatSeal] = {}

    def seal_of(self, session_id: str) -> ChatSeal:
        if session_id not in self.seals:
            self.seals[session_id] = ChatSeal(session_id, self._keys())
        return self.seals[session_id]

    def seal_of_input(self, session_id: str | None) -> ChatSeal:
        return self.seal_of(session_id if session_id in self.seals else name_of_partition(0))


@dataclass
class KnownMaster:
    """A `KeyWrapper` whose wrapped keys tests can read. `fails`: it cannot be asked; `calls` counts what it was."""

    fails: bool = False
    calls: int = 0

    async def wrap(self, keys: Sequence[tuple[str, bytes]]) -> list[WrappedKey]:
        await self._asked()
        return [WrappedKey(name, MASTER, bytes(each ^ _MASK for each in key)) for name, key in keys]

    async def unwrap(self, keys: Sequence[WrappedKey]) -> list[bytes]:
        await self._asked()
        assert all(key.master == MASTER for key in keys)
        return [bytes(each ^ _MASK for each in key.wrapped) for key in keys]

    async def _asked(self) -> None:
        self.calls += 1
        await asyncio.sleep(0.01)
        if self.fails:
            raise SealingFailed("scripted: no master key")
