"""What the error of a refused join means for the chat."""

from __future__ import annotations

from typing import Final

from bridge.chatserver.messages import LOGGED_OUT, NO_SUCH_USER, WRONG_SECURE_KEY
from bridge.transcript.updates import Verdict

VERDICTS: Final = {
    NO_SUCH_USER: Verdict.GONE,  # the session does not exist on this server (any more)
    LOGGED_OUT: Verdict.RETRY,  # we were logged out, the session itself goes on
    WRONG_SECURE_KEY: Verdict.NEVER,  # asking again with the same key repeats the mistake
}
"""Error of a refused join -> what it means. D18 names these three; no other error is public: all of those may pass."""


def verdict_on(error_id: int) -> Verdict:
    """Return what a join that was refused with this error means for the chat."""
    return VERDICTS.get(error_id, Verdict.RETRY)
