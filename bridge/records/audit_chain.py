"""The records of the audit topic: what was done to captured chats, each bound by its hash to the one before it. Pure.

`integrity` is the last field, as in a TranscriptEvent, and has the same form (`chain.py`). A record that was altered,
or taken out between others, breaks the chain; how many there were at the end only a copy elsewhere can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.errors import VerificationFailed
from bridge.records.avro import AUDIT_RECORD
from bridge.records.chain import genesis, link, split, trailer
from bridge.records.payload_framing import single_object, unframe

if TYPE_CHECKING:
    from collections.abc import Collection

    from bridge.records.writer_schemas import WriterSchemas

REQUESTED: Final = "REQUESTED"
ERASED: Final = "ERASED"
NOT_YET_GONE: Final = "NOT_YET_GONE"
REFUSED_HELD: Final = "REFUSED_HELD"
REFUSED_OPEN: Final = "REFUSED_OPEN"
HELD: Final = "HELD"
RELEASED: Final = "RELEASED"
FOUND: Final = "FOUND"
EXPORTED: Final = "EXPORTED"
UNSEALED: Final = "UNSEALED"
ERASING: Final = frozenset({"erase", "subject erase"})
"""The verbs that erase."""
_NO_HASH: Final = {"previousHash": bytes(32), "hash": bytes(32)}
_NAME: Final = "/audit"
"""No session id has a slash: this chain has a beginning that no chat's chain has."""


@dataclass(slots=True, frozen=True, kw_only=True)
class AuditEntry:
    """What a record says. `at` in us since 1970 UTC; `outcome` is one of the words above."""

    at: int
    verb: str
    request: str
    outcome: str
    session_ids: tuple[str, ...]
    who: str
    reason: str
    principal: str = ""
    detail: str = ""


class AuditChain:
    """The records of the topic in order: those that are there, then those that are `made`."""

    def __init__(self, writers: WriterSchemas, site: str) -> None:
        """Begin before the first record; `site` stands in those that are made."""
        self.entries: list[AuditEntry] = []
        self._writers = writers
        self._site = site
        self._head = genesis(_NAME)

    def take(self, value: bytes) -> AuditEntry:
        """Take the next record that is there. Raises VerificationFailed when it does not follow from the last one."""
        writer, payload = unframe(value)
        record = self._writers.decode(AUDIT_RECORD, payload, writer)
        number = len(self.entries) + 1
        body, previous, own = split(payload)
        if previous != self._head or own != link(previous, body) or record["number"] != number:
            raise VerificationFailed(f"record {number} of the audit topic does not follow from the one before it")
        entry = AuditEntry(
            at=record["at"],
            verb=record["verb"],
            request=record["request"],
            outcome=record["outcome"],
            session_ids=tuple(record["sessionIds"]),
            who=record["who"],
            reason=record["reason"],
            principal=record["principal"],
            detail=record["detail"],
        )
        self._head = own
        self.entries.append(entry)
        return entry

    def made(self, entry: AuditEntry) -> bytes:
        """Return the value of the next record, which counts as being there from now on."""
        schemas = self._writers.schemas
        record = {
            "number": len(self.entries) + 1,
            "at": entry.at,
            "site": self._site,
            "verb": entry.verb,
            "request": entry.request,
            "outcome": entry.outcome,
            "sessionIds": list(entry.session_ids),
            "who": entry.who,
            "principal": entry.principal,
            "reason": entry.reason,
            "detail": entry.detail,
        }
        body, _, _ = split(schemas.encode(AUDIT_RECORD, {**record, "integrity": _NO_HASH}))
        previous, self._head = self._head, link(self._head, body)
        self.entries.append(entry)
        return single_object(schemas.fingerprint(AUDIT_RECORD)) + body + trailer(previous, self._head)

    def holds(self) -> dict[str, AuditEntry]:
        """Return the chats that are held, each with the entry that did it."""
        held: dict[str, AuditEntry] = {}
        for entry in self.entries:
            for session_id in entry.session_ids:
                if entry.outcome == HELD:
                    held[session_id] = entry
                elif entry.outcome == RELEASED:
                    held.pop(session_id, None)
        return held

    def erasing(self) -> frozenset[str]:
        """Return the chats whose erasure was requested, whatever became of it, but for those that were refused."""
        return self._asked({REFUSED_HELD, REFUSED_OPEN})

    def not_erased(self) -> frozenset[str]:
        """Return those of them of which no command has told that they are erased: their shard may have it before it."""
        return self._asked({REFUSED_HELD, REFUSED_OPEN, ERASED})

    def _asked(self, ended: Collection[str]) -> frozenset[str]:
        """Return the chats whose erasure was requested, but for those of which the last outcome is one of `ended`."""
        found: set[str] = set()
        for entry in self.entries:
            if entry.verb not in ERASING:
                continue
            if entry.outcome in ended:
                found.difference_update(entry.session_ids)
            elif entry.outcome in {REQUESTED, ERASED, NOT_YET_GONE}:
                found.update(entry.session_ids)
        return frozenset(found)
