"""Data keys: who gives them to what is sealed, and their records on the topic of keys, where they lie wrapped.

A record's key is the id of the chat, or of a partition for input that belongs to no chat (`name_of_partition`). Its
value is JSON: `form` 1, `master` the id of the master key that wraps it, `wrapped` the wrapped key in base64. A
tombstone destroys the key.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from bridge.errors import VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.sealing.chat_seal import ChatSeal

_FORM: Final = 1


@dataclass(slots=True, frozen=True)
class WrappedKey:
    """A data key that the master key with this id wraps; `name` is what the data key belongs to."""

    name: str
    master: str
    wrapped: bytes


class KeyWrapper(Protocol):
    """Wraps data keys with a master key, which may be another one at the next call, and unwraps them.

    Both raise SealingFailed when that is not possible now, `unwrap` for a master key that is not known, too.
    """

    async def wrap(self, keys: Sequence[tuple[str, bytes]]) -> list[WrappedKey]:
        """Wrap data keys, each with its name: the wrapped key can be unwrapped under that name only."""

    async def unwrap(self, keys: Sequence[WrappedKey]) -> list[bytes]:
        """Return the data keys. Raises SealingFailed, also for one that was altered or belongs to another name."""


class DataKeys(Protocol):
    """Gives what is sealed its key, without waiting."""

    def seal_of(self, session_id: str) -> ChatSeal:
        """Return the seal of a chat; its key is a new one if it has none."""

    def seal_of_input(self, session_id: str | None) -> ChatSeal:
        """Return the seal of quarantined input: that of a chat that has a key, else that of the partition."""


class _KeyRecord(msgspec.Struct, frozen=True):
    form: int
    master: str
    wrapped: str


_decoder: Final = msgspec.json.Decoder(_KeyRecord)


def name_of_partition(partition: int) -> str:
    """Return the name of the key for input of a partition that belongs to no chat: no session id has a slash."""
    return f"/partition/{partition}"


def key_record(key: WrappedKey) -> bytes:
    """Return the value of a key's record."""
    return msgspec.json.encode(_KeyRecord(_FORM, key.master, b64encode(key.wrapped).decode()))


def parsed_key_record(name: str, value: bytes) -> WrappedKey:
    """Return the key in the value of a record whose key is `name`. Raises VerificationFailed when there is none."""
    try:
        read = _decoder.decode(value)
        if read.form != _FORM:
            raise VerificationFailed(f"the key of {name} has form {read.form}, that of a later version")
        return WrappedKey(name, read.master, b64decode(read.wrapped, validate=True))
    except (ValueError, RecursionError) as error:  # msgspec's and binascii's errors are ValueErrors
        raise VerificationFailed(f"the key of {name} cannot be read") from error
