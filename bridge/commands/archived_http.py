"""The stored transcripts of UCS over HTTP: one chat at a time, by its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.archive.repaired_xml import read_repaired
from bridge.commands.archived_chats import ArchivedChat, ArchivedCopy, Refusal
from bridge.errors import Problem, UnreadableTranscript, UsageError
from bridge.sources.ucs.http_codes import UCS_HTTP_NO_TEXT, UCS_HTTP_NOT_FOUND
from bridge.sources.ucs.http_transcripts import UcsHttp
from bridge.transcript.input_codes import OTHER_CHAT

if TYPE_CHECKING:
    from bridge.config import Config

_NOT_STORED = frozenset((UCS_HTTP_NOT_FOUND, UCS_HTTP_NO_TEXT))


def client_of(config: Config) -> UcsHttp:
    """Return the client that the settings describe. Raises UsageError."""
    client = UcsHttp.from_settings(config.sources.ucs.http)
    if client is None:
        raise UsageError("the source ucs-http needs sources.ucs.http.url", next_step="set it; docs/doors/ucs.md")
    return client


async def archived_chat(client: UcsHttp, session_id: str) -> ArchivedChat | Refusal | None:
    """Return a stored chat; None: it is not stored; a Refusal: that could not be found out, or it is unreadable."""
    found = await client.transcript(session_id)
    if isinstance(found, Problem):
        if found.code in _NOT_STORED:
            return None
        return Refusal(session_id, session_id, found.code, f"{session_id}:0: {found.code}: {found.detail}")
    place = found.place
    try:
        read = read_repaired(found.text, place, session_id=session_id)
    except UnreadableTranscript as error:
        return Refusal(place, session_id, error.code, str(error))
    own = [one for one in read.documents if one.session_id == session_id]
    if not own:
        what = "the transcript is of another chat than the interaction"
        return Refusal(place, session_id, OTHER_CHAT, f"{place}:0: {OTHER_CHAT}: {what}")
    return ArchivedChat(session_id, [ArchivedCopy(place, found.text, own, len(read.repairs), found.final)])
