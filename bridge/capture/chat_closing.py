"""How a chat is closed: with a certificate, and once more whenever there is more to vouch for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.capture.chat import FOLLOWED, GIVEN_UP, OPEN, OVER
from bridge.capture.chat_facts import ChatClosed
from bridge.capture.output_sessions import closed
from bridge.errors import Problem
from bridge.transcript import gap_codes, link_codes
from bridge.transcript.updates import Verdict

if TYPE_CHECKING:
    from bridge.capture.batch_builder import BatchBuilder
    from bridge.capture.chat import Chat
    from bridge.transcript.updates import JoinRefused


def settle(builder: BatchBuilder, chat: Chat, before: int, at: int, *, over: bool = False) -> None:
    """Close a chat that is over. One that was closed already is closed again if there is more to vouch for.

    `before` is the sequence before this input, of a chat that was closed: that of its last certificate. `at` in us
    since 1970 UTC.
    """
    if chat.state in OPEN:
        if over:
            close(builder, chat, at, OVER)
    elif chat.transcript.sequence > before or (over and chat.state == GIVEN_UP):
        close(builder, chat, at, OVER if over else chat.state, supersedes=before)


def end_with_gap(builder: BatchBuilder, chat: Chat, reason: Problem, at: int, state: str) -> None:
    """Close a chat whose further events are missing; `at` in us since 1970 UTC."""
    supersedes = None if chat.state in OPEN else chat.transcript.sequence
    builder.publish(chat, chat.transcript.end(reason, at))
    close(builder, chat, at, state, supersedes=supersedes)


def close_refused(builder: BatchBuilder, chat: Chat, refused: JoinRefused) -> None:
    """Close a chat that is followed and cannot be joined (again), unless another attempt may succeed."""
    transcript, at = chat.transcript, refused.observed_at
    if refused.verdict is Verdict.RETRY:
        return
    told = chat.announcement
    if refused.asked not in (None, (tuple(told.places()), told.password)):
        builder.follow(chat)  # announced at another place, or with another password, which the source had not heard yet
        return
    if transcript.archived:  # what came after the last event is there
        close(builder, chat, at, OVER if refused.verdict is Verdict.GONE else GIVEN_UP)
        return
    if refused.reason.code == link_codes.HISTORY_TOO_LONG:
        code = gap_codes.HISTORY_TOO_LONG
    elif not transcript.joined:
        code = gap_codes.NEVER_JOINED
    elif refused.verdict is Verdict.GONE:
        code = gap_codes.OVER_WHILE_AWAY
    else:
        code = gap_codes.OUT_OF_REACH
    end_with_gap(builder, chat, Problem(code, f"the last attempt: {refused.reason}"), at, GIVEN_UP)


def close(
    builder: BatchBuilder, chat: Chat, at: int, state: str, *because: Problem, supersedes: int | None = None
) -> None:
    """Close a chat, `at` in us since 1970 UTC; `supersedes` is the sequence of its last certificate, if it has one."""
    certificate = chat.transcript.certificate(*because, over=state == OVER, supersedes=supersedes)
    followed = chat.state == FOLLOWED
    chat.close(state, at)
    verdict = closed(builder, chat, at, certificate)
    if supersedes is None:
        builder.fact(ChatClosed(session=chat.session_id, verdict=verdict, joined=certificate.joins > 0))
    if followed:
        builder.forget(chat.session_id)
