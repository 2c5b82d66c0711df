"""Asks UCS over HTTP for the texts that its database does not give: the row is gone, or its text cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from bridge.capture.stored_texts import StoredText
from bridge.sources.ucs.feeder_facts import UcsReadFailed
from bridge.sources.ucs.http_codes import UCS_HTTP_DENIED, UCS_HTTP_FAILED, UCS_HTTP_UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractAsyncContextManager

    from bridge.errors import Problem
    from bridge.telemetry import Telemetry

_OF_THE_SERVICE: Final = frozenset((UCS_HTTP_UNREACHABLE, UCS_HTTP_DENIED, UCS_HTTP_FAILED))
"""Codes of problems that the next chat would have, too."""


class AsksById(Protocol):
    """UCS over HTTP, as `UcsHttp` does it."""

    async def transcript(self, session_id: str) -> StoredText | Problem:
        """Return the stored transcript of a chat, `final` if it is over."""


class TextsById:
    """Used by one feeder at a time. That UCS does not answer is told once, as long as the code is the same."""

    def __init__(self, http: AbstractAsyncContextManager[AsksById], telemetry: Telemetry) -> None:
        """Nothing connects before `final`."""
        self._http = http
        self._telemetry = telemetry
        self._told = ""

    async def final(self, session_ids: Collection[str]) -> dict[str, StoredText]:
        """Return the texts of those chats that are over, by id; others are left out, whatever the reason."""
        found: dict[str, StoredText] = {}
        if not session_ids:
            return found
        async with self._http as http:
            for session_id in session_ids:
                told = await http.transcript(session_id)
                if isinstance(told, StoredText):
                    self._told = ""
                    if told.final:
                        found[session_id] = told
                elif told.code in _OF_THE_SERVICE:
                    if told.code != self._told:
                        self._telemetry.emit(UcsReadFailed(database="http", code=told.code, detail=told.detail))
                    self._told = told.code
                    break
        return found
