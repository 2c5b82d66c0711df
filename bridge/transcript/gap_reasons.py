"""Why ids are missing: the sentences that stand in GAP records and certificates."""

from __future__ import annotations

from typing import Final

NOT_IN_REPLAY: Final = "not in the replay after an absence"
UNREADABLE: Final = "unreadable input"
OVER_WHILE_AWAY: Final = "the chat was over before it could be joined again"
TOO_LARGE: Final = "record too large"
OUT_OF_REACH: Final = "the chat could not be joined again"
NEVER_JOINED: Final = "never joined"
INTERNAL: Final = "internal error"
OUTGROWN: Final = "more holes, gaps and amendments than can be remembered"
