"""Requests to forget a chat, as records of the topic of stored transcripts. Pure.

That topic is the input of a shard that operators write to, and its position is committed with what an input changes:
so a request is executed by the one writer that its chat has, in one transaction, and whoever sent it can wait until the
position has passed it. A version that knows no requests quarantines such a record as one without its headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.announcement import session_id_problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.capture.ports import Headers

_ERASE: Final = "erase"
_MAX_REQUEST_BYTES: Final = 64


def request_record(request: str) -> tuple[Headers, bytes]:
    """Return (headers, value) of the record that asks for an erasure; its key is the session id in UTF-8.

    `request` names the request in log lines; at most 64 bytes of it are kept.
    """
    return [(_ERASE, request.encode()[:_MAX_REQUEST_BYTES])], b""


def requested(key: bytes | None, headers: Iterable[tuple[str, bytes]]) -> tuple[str, str] | None:
    """Return the session id and the name of the request that a record holds; None when it is another record."""
    named = dict(headers).get(_ERASE)
    session_id = (key or b"").decode("utf-8", "replace")
    if named is None or session_id_problem(session_id):
        return None
    return session_id, named[:_MAX_REQUEST_BYTES].decode("utf-8", "replace")
