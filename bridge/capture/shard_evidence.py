"""The evidence that a shard adds to its transactions: leaves of the tree over its certificates, and anchors.

Pure. A certificate that is written gets the next leaf of the shard's tree, in the same transaction: the marker among
the checkpoints holds the edge of the tree, so that neither a crash nor a new owner adds one twice or leaves one out. A
leaf is the record up to its signature (`certificate_signature.py`): it does not depend on how long signing takes. What
has to be signed is decided here, and signed in the second step of the commit (`signing.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.capture.chat import OPEN
from bridge.capture.ports import Outgoing
from bridge.evidence.anchors import KIND, ChatHead, CommittedOffsets, head_of, origin_of, statement_texts
from bridge.evidence.certificate_signature import statement_of
from bridge.evidence.log_audit import LEAF_OUTPUT
from bridge.evidence.merkle import HASH_BYTES, TreeEdge, leaf_hash
from bridge.records.output_chains import DEFAULT_OUTPUT
from bridge.records.payload_framing import unframe
from bridge.records.tree_state import TreeState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.batch_numbers import BatchNumbers
    from bridge.capture.chat import Chat
    from bridge.capture.ports import Headers
    from bridge.capture.session_store_settings import SessionStoreSettings

CHECKPOINT: Final = b"checkpoint"
STATEMENT: Final = b"statement"
KEYS: Final = b"keys"
ALWAYS: Final = "always"
"""What stands for the list of keys in the first anchor of an owner; in others it is left out unless it has changed."""
_TEXT: Final = ("content-type", b"text/plain; charset=utf-8")
_STATEMENT_BYTES: Final = 48 * 1024
"""Bytes of one part of a statement: it fits on every topic that `chatbridge topics` makes."""
_COMMITTED: Final = ("events", "sessions", "quarantine")
"""Kinds of topics whose offsets a statement names, if the shard looks at their logs."""


@dataclass(slots=True, frozen=True)
class EvidenceSettings:
    """What all shards of a process share, where a signing key is configured.

    `name` is that of the key, and what origins begin with; `leaves` and `anchors` are names of topics. Anchors are made
    after `anchor_us` or as soon as `anchor_records` records were written. `lists_keys`: a list of keys is published.
    """

    name: str
    leaves: str
    anchors: str
    anchor_us: int = 60_000_000
    anchor_records: int = 10_000
    lists_keys: bool = False

    @property
    def topics(self) -> tuple[str, str]:
        """Both topics."""
        return self.leaves, self.anchors


def edge_in(tree: TreeState) -> TreeEdge:
    """Return the edge of a stored tree. Raises ValueError when it is none."""
    return TreeEdge(tree.size, tuple(tree.roots[at : at + HASH_BYTES] for at in range(0, len(tree.roots), HASH_BYTES)))


def tree_with(name: str, edge: TreeEdge) -> TreeState:
    """Return the edge of a tree as it is stored."""
    return TreeState(name, edge.size, b"".join(edge.roots))


def leaf_key(tree: str, index: int) -> bytes:
    """Return the key of a leaf on its topic."""
    return f"{tree}/{index}".encode()


def _leaf_headers(output: str) -> Headers:
    """Return the headers of leaves for the certificates of an output: without any they are of the default one."""
    return [] if output == DEFAULT_OUTPUT else [(LEAF_OUTPUT, output.encode())]


class ShardEvidence:
    """What one store has to add, where that is configured.

    Like the store, it takes every plan for committed, and is dropped after a failure.
    """

    def __init__(self, partition: int, settings: SessionStoreSettings) -> None:
        """Begin with an anchor that is due, about all open chats."""
        self._partition = partition
        self._settings = settings.evidence
        self._outputs = settings.outputs
        self._marks = {one.topics["sessions"]: _leaf_headers(one.name) for one in settings.outputs}
        self._checkpoints = settings.checkpoints
        self._anchored_at: int | None = None
        self._records = 0
        self._changed: dict[str, None] = {}

    def add(
        self,
        plan: TransactionPlan,
        numbers: BatchNumbers,
        chats: Mapping[str, Chat],
        touched: Iterable[str],
        now: int,
    ) -> None:
        """Add leaves for the certificates of a plan, and an anchor if one is due; `now` in us since 1970 UTC.

        `touched` are the chats of which the plan writes something. `numbers` hold the tree, which grows.
        """
        settings = self._settings
        if settings is None:
            return
        written = [record for record in plan.batch.records if record.topic != self._checkpoints]
        self._records += len(written)
        self._changed.update(dict.fromkeys(touched))
        tree = numbers.tree or TreeState(str(self._partition))
        if plan.certificates:
            edge = edge_in(tree)
            for record in plan.certificates:
                leaf = leaf_hash(statement_of(unframe(record.value or b"")[1]))
                key = leaf_key(tree.name, edge.size)
                plan.batch.records.append(
                    Outgoing(settings.leaves, self._partition, key, leaf, self._marks[record.topic])
                )
                edge = edge.appended(leaf)
            numbers.tree = tree = tree_with(tree.name, edge)
            numbers.mark_next()
        if self._due(settings, now, chats, tree):
            plan.batch.records += self._anchor(settings, numbers, tree, chats, now)

    def _due(self, settings: EvidenceSettings, now: int, chats: Mapping[str, Chat], tree: TreeState) -> bool:
        if self._anchored_at is None:
            return bool(tree.size or chats)
        if not self._records:
            return False  # what the last one says is still all that there is
        return self._records >= settings.anchor_records or not 0 <= now - self._anchored_at < settings.anchor_us

    def _anchor(
        self,
        settings: EvidenceSettings,
        numbers: BatchNumbers,
        tree: TreeState,
        chats: Mapping[str, Chat],
        now: int,
    ) -> Iterable[Outgoing]:
        """Yield the records of an anchor, not signed yet; the first one tells all open chats."""
        first = self._anchored_at is None
        head = head_of(origin_of(settings.name, tree.name), edge_in(tree))
        about = chats if first else [one for one in self._changed if one in chats]
        heads = [line for one in about if chats[one].state in OPEN for line in self._heads(chats[one])]
        if settings.lists_keys:
            yield self._note(settings, KEYS, ALWAYS if first else "")
        yield self._note(settings, CHECKPOINT, head.text())
        for text in statement_texts(head, now, self._committed(numbers), heads, room=_STATEMENT_BYTES):
            yield self._note(settings, STATEMENT, text)
        self._anchored_at, self._records, self._changed = now, 0, {}

    def _note(self, settings: EvidenceSettings, kind: bytes, text: str) -> Outgoing:
        key = str(self._partition).encode()
        return Outgoing(settings.anchors, self._partition, key, text.encode(), [(KIND, kind), _TEXT])

    def _committed(self, numbers: BatchNumbers) -> list[CommittedOffsets]:
        logs = {} if numbers.shard is None else numbers.shard.logs
        return [
            CommittedOffsets(output.topics[kind], self._partition, logs[name].start, logs[name].end)
            for output in self._outputs
            for kind in _COMMITTED
            if (name := output.log_kind(kind)) in logs
        ]

    @staticmethod
    def _heads(chat: Chat) -> Iterable[ChatHead]:
        epoch = chat.transcript.seldom().epoch
        return [
            ChatHead(chat.session_id, epoch, one.last, one.output.name, one.recorder.head)
            for one in chat.outputs
            if one.open and one.last
        ]
