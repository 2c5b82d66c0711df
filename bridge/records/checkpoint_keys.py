"""The keys of the checkpoints topic: a chat has several records there, whose keys begin with its session id.

    E        the head: what changes with every event, and how many segments there are
    E#a      segment: the announcement
    E#s      segment: what seldom changes
    E#k      segment: block k of the delivered ids, and their fingerprints
    /shard   the marker of the shard, which belongs to no chat
    /position/NAME   up to where a partition of another topic, or something elsewhere, is read
    /claim/WORKER/NUMBER   a claim to the shard (`capture/claims.py`); its value is a transactional id, not Avro

`E` is the session id, escaped as in the ids of records (`ids.py`). Keys that begin with `#` are those of schemas.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from bridge.errors import VerificationFailed
from bridge.records.ids import escaped

MARKER_KEY: Final = "/shard"
"""`announcement.session_id_problem` accepts no session id with a slash."""
_POSITION: Final = "/position/"
_CLAIM: Final = "/claim/"
ANNOUNCEMENT: Final = "a"
SELDOM: Final = "s"

Segment = int | str
"""Which segment of a chat: ANNOUNCEMENT, SELDOM, or the number of a block of ids."""


def head_key(session_id: str) -> str:
    """Return the key of a chat's head."""
    return escaped(session_id)


def segment_key(session_id: str, segment: Segment) -> str:
    """Return the key of a segment of a chat."""
    return f"{escaped(session_id)}#{segment}"


def position_key(name: str) -> str:
    """Return the key of a position."""
    return _POSITION + name


def position_name(key: str) -> str | None:
    """Return the name of the position that a key is of; None when it is of something else."""
    return key.removeprefix(_POSITION) if key.startswith(_POSITION) else None


def claim_key(worker: str, number: str) -> str:
    """Return the key of a claim; a worker gives no number twice."""
    return f"{_CLAIM}{worker}/{number}"


def claiming_worker(key: str) -> str:
    """Return the name of the worker whose claim has this key."""
    return key.removeprefix(_CLAIM).rpartition("/")[0]


def is_claim_key(key: str) -> bool:
    """Return whether a key is that of a claim."""
    return key.startswith(_CLAIM)


def parsed_key(key: str) -> tuple[str, Segment | None]:
    """Return the session id and the segment that a key names, None for the head.

    Raises VerificationFailed when no record of a chat has such a key.
    """
    name, separator, segment = key.partition("#")
    session_id = unquote(name)
    if escaped(session_id) == name:
        if not separator:
            return session_id, None
        if segment in (ANNOUNCEMENT, SELDOM):
            return session_id, segment
        if segment.removeprefix("-").isascii() and segment.removeprefix("-").isdigit():
            return session_id, int(segment)
    raise VerificationFailed("a checkpoint whose key names neither a chat nor a part of one")
