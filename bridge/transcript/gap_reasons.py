"""Why ids are missing: the sentences that stand in GAP records and certificates."""

from __future__ import annotations

from typing import Final

NOT_IN_REPLAY: Final = "not in the replay after an absence"
UNREADABLE: Final = "unreadable input"
OVER_WHILE_AWAY: Final = "the chat was over before it could be joined again"
TOO_LARGE: Final = "record too large"
NOT_RECORDED: Final = "content that could not be recorded"
OUT_OF_REACH: Final = "the chat could not be joined again"
NEVER_JOINED: Final = "never joined"
INTERNAL: Final = "internal error"
OUTGROWN: Final = "more holes, gaps and amendments than can be remembered"

UNATTRIBUTED: Final = "unreadable input that may have concerned this chat"
"""In certificates only: no GAP can be made of what may have concerned another chat."""
IDS_REUSED: Final = "event ids were reused after a restoration"
"""In certificates only, and no lack: all events are there, some of them under an id that another one had before."""

WITHDRAWN: Final = frozenset({TOO_LARGE, NOT_RECORDED})
"""Of gaps that stand for an event whose content is in the quarantine: it is not published when it is seen again."""
UNTIL_JOINED: Final = frozenset({NEVER_JOINED, OVER_WHILE_AWAY, OUT_OF_REACH})
"""Of gaps without an end that the next snapshot of the chat fills: what it lacks is told in gaps of its own."""
