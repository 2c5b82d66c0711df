"""Requests to forget a chat, as records of the topic of stored transcripts. Pure.

That topic is the input of a shard that operators write to, and its position is committed with what an input changes:
so a request is executed by the one writer that its chat has, in one transaction, and whoever sent it can wait until the
position has passed it. A version that knows no requests quarantines such a record as one without its headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.announcement import session_id_problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.capture.ports import Headers

_ERASE: Final = "erase"
_AGAIN: Final = "again"
_MAX_REQUEST_BYTES: Final = 64


class AskedErasure(NamedTuple):
    """What a request says. `again`: the chat was erased, and is to be deleted again only as long as nobody knows it."""

    session_id: str
    request: str
    again: bool = False


def request_record(request: str, *, again: bool = False) -> tuple[Headers, bytes]:
    """Return (headers, value) of the record that asks for an erasure; its key is the session id in UTF-8.

    `request` names the request in log lines; at most 64 bytes of it are kept. `again` as in `AskedErasure`.
    """
    return [(_ERASE, request.encode()[:_MAX_REQUEST_BYTES]), *([(_AGAIN, b"")] if again else [])], b""


def requested(key: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> AskedErasure | None:
    """Return the request that a record holds; None when it is another record."""
    told = dict(headers)
    named = told.get(_ERASE)
    session_id = (key or b"").decode("utf-8", "replace")
    if named is None or session_id_problem(session_id):
        return None
    return AskedErasure(session_id, named[:_MAX_REQUEST_BYTES].decode("utf-8", "replace"), _AGAIN in told)
