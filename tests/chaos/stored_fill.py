"""The last step of a run with `--stored`: the ledgers' stored side is sent, and the certificates have to say so."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.oracle import closed_sessions, read_all
from tests.support.stored_side import stored_side, write_stored_side
from tests.support.written_values import WrittenValues

if TYPE_CHECKING:
    from tests.chaos.cluster import ChaosCluster

_SECONDS = 180
_VALUES = WrittenValues()


@dataclass(slots=True)
class StoredFill:
    """What was filled. `left` counts the gaps that are open still: nothing of them is stored."""

    chats: int = 0
    seconds: float = 0.0
    events: int = 0
    superseded: int = 0
    filled: int = 0
    left: int = 0
    problems: list[str] = field(default_factory=list)


def fill_from_stored(cluster: ChaosCluster) -> StoredFill:
    """Send the stored side of all chats that ended; wait until the shards have published what they lacked.

    Direct messages are left out: the comparison with the ledgers is about what a silent monitor is sent.
    """
    found = StoredFill()
    begun = time.monotonic()
    folder = cluster.folder / "stored"
    found.chats = write_stored_side(cluster.ledgers, folder, direct=False)
    flags = ["--topic-prefix", cluster.prefix]
    for name, value in cluster.client.items():
        flags += ["--set", f"{name}={value}"]
    command = [sys.executable, "-m", "bridge", "backfill", "--json", "--wait", *flags, str(folder)]
    done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    if done.returncode:
        found.problems.append(f"backfill ended with {done.returncode}: {done.stderr.decode()[-500:]}")
        return found
    summary = json.loads(done.stdout.splitlines()[-1])["summary"]
    if (summary["sent"], summary["published"]) != (found.chats, True):
        found.problems.append(f"backfill sent {summary} of {found.chats} chats")
    _check(cluster, found)
    found.seconds = time.monotonic() - begun
    return found


def _check(cluster: ChaosCluster, found: StoredFill) -> None:
    """Compare the topics with what is stored: each event is there, and no certificate has a gap where one is."""
    servers, prefix = cluster.kafka.bootstrap_servers, cluster.prefix
    captured: dict[str, set[int]] = defaultdict(set)
    origins: Counter[str] = Counter()
    for _, _, value in read_all(servers, f"{prefix}chat.transcript.events.v1"):
        record = _VALUES.read("TranscriptEvent", value)
        if record["eventId"] is not None:
            captured[record["sessionId"]].add(record["eventId"])
            origins[record["origin"]] += 1
    found.events = origins["ARCHIVE"]
    closed = closed_sessions(servers, prefix)
    for session_id, (_, events) in stored_side(cluster.ledgers).items():
        ids = {event.event_id for event in events if event.receiver_id is None}
        missing = sorted(ids - captured[session_id])
        if missing:
            found.problems.append(f"chat {session_id}: stored and not published: {missing[:5]}")
        certificate: dict[str, Any] = (closed.get(session_id) or {}).get("certificate") or {}
        found.superseded += certificate.get("supersedes") is not None
        found.filled += len(certificate.get("filled", ()))
        for gap in certificate.get("gaps", ()):
            found.left += 1
            low, high = gap["fromEventId"], gap["toEventId"]
            if any((low is None or low <= one) and (high is None or one <= high) for one in ids):
                found.problems.append(f"chat {session_id}: its certificate has a gap where something is stored: {gap}")
