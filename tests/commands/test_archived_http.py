"""What UCS answers about one chat over HTTP becomes a chat, nothing, or a refusal with its code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from bridge.capture.stored_texts import StoredText
from bridge.commands.archived_chats import ArchivedChat, Refusal
from bridge.commands.archived_http import archived_chat, client_of
from bridge.config import load
from bridge.errors import Problem, UsageError
from tests.commands.archive_folder import DAMAGED, bent

if TYPE_CHECKING:
    from bridge.sources.ucs.http_transcripts import UcsHttp

CHAT = "0000BENT00000001"


class Answering:
    """A client that gives one answer."""

    def __init__(self, answer: StoredText | Problem) -> None:
        self._answer = answer

    async def transcript(self, _session_id: str) -> StoredText | Problem:
        return self._answer


def asked(answer: StoredText | Problem | bytes, session_id: str = CHAT) -> ArchivedChat | Refusal | None:
    if isinstance(answer, bytes):
        answer = StoredText(session_id, f"ucs#{session_id}", answer, final=True, read_at=1)
    return asyncio.run(archived_chat(cast("UcsHttp", Answering(answer)), session_id))


def test_a_transcript_becomes_a_chat_with_its_repairs() -> None:
    for text, repairs in ((bent("-"), 0), (DAMAGED["vertical tab"], 1)):
        found = asked(text)
        assert isinstance(found, ArchivedChat)
        assert [(one.text, one.repairs, one.final) for one in found.copies] == [(text, repairs, True)]


@pytest.mark.parametrize("code", ["UCS_HTTP_NOT_FOUND", "UCS_HTTP_NO_TEXT"])
def test_what_is_not_there_is_no_refusal(code: str) -> None:
    assert asked(Problem(code, "")) is None


def test_what_cannot_be_found_out_is_refused_with_its_code() -> None:
    denied = asked(Problem("UCS_HTTP_DENIED", "401"))
    unreadable = asked(b"<chatTranscript")
    other = asked(bent("-"), "0000OTHER0000001")
    assert [one.code if isinstance(one, Refusal) else one for one in (denied, unreadable, other)] == [
        "UCS_HTTP_DENIED",
        "NOT_XML",
        "OTHER_CHAT",
    ]


def test_without_an_address_nothing_is_asked() -> None:
    with pytest.raises(UsageError, match=r"needs sources\.ucs\.http\.url"):
        client_of(load(None, {}, {}))
