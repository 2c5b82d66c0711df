"""What all shards of a process share that take stored transcripts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class StoredSettings:
    """`topic` is the one of stored transcripts.

    `remembered_us` says how long a chat that is over is remembered as a whole, in us: its last events may come one by
    one, each marked Over. For as long a stored transcript can amend its events: afterwards an id that was delivered is
    a duplicate, whatever its content. `remembered_chats` is how many of a shard are, at most; those that
    were closed first give way, and chats that had ended long before that (`remembered_chats.py`).
    """

    topic: str = ""
    remembered_us: int = 60_000_000
    remembered_chats: int = 1_000
