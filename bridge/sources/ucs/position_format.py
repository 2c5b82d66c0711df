"""How positions in a table are stored: JSON with the number of the format, so that other versions can read it. Pure.

Fields are added with a default, and a reader passes over those that it does not know. The number is raised only when
that is not enough; a version that finds a higher one does not guess.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

PREFIX: Final = "ucs"
"""What the names of these positions begin with; the bookmark has this name itself."""
FORMAT: Final = 1

_Stored = TypeVar("_Stored", bound=msgspec.Struct)


class PositionUnreadable(Exception):
    """A stored position that this version cannot read."""


class _Head(msgspec.Struct):
    v: int


def encoded(value: msgspec.Struct) -> bytes:
    """Return a value as it is stored."""
    return msgspec.json.encode(value)


def decoded(value: bytes, kind: type[_Stored]) -> _Stored:
    """Return a stored value. Raises PositionUnreadable."""
    try:
        if msgspec.json.decode(value, type=_Head).v > FORMAT:
            raise PositionUnreadable(f"it has format {msgspec.json.decode(value, type=_Head).v}")
        found: Any = msgspec.json.decode(value, type=kind)
    except msgspec.MsgspecError:
        raise PositionUnreadable("it is not what this version writes") from None
    return found  # type: ignore[no-any-return]
