"""The tree of a shard, when its checkpoints may not tell: from the leaves on their own topic.

The marker of a shard holds the edge of its tree, and a transaction that adds leaves writes the marker. So they differ
only if checkpoints were lost or put back, or a version that knows no trees wrote the marker since. Two trees that
differ must not have the same origin: where leaves are missing, the shard begins a tree with another name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.capture.shard_evidence import edge_in, tree_with
from bridge.evidence.merkle import HASH_BYTES, TreeEdge
from bridge.records.tree_state import TreeState

if TYPE_CHECKING:
    from bridge.capture.ports import ShardLogs
    from bridge.records.shard_facts import LogMark, Logs

_Leaves = dict[str, dict[int, bytes]]
"""Name of a tree -> index -> hash of a leaf, the trees in the order in which they were written last."""


async def recovered_tree(  # noqa: PLR0913 - what is known of the tree, and of the logs
    partition: int, tree: TreeState | None, logs: ShardLogs, *, before: Logs | None, seen: Logs, now: int
) -> TreeState:
    """Return the tree of a shard: `tree` of its marker, with the leaves that were written after it.

    `before` is the look at the logs that the marker holds, `seen` the one now; `now` in us since 1970 UTC, for the name
    of a tree that begins. Raises KafkaUnavailable.
    """
    marked = None if tree is None or before is None else before.get("leaves")
    there = seen["leaves"]
    start = there.start if marked is None or marked.end > there.end else max(marked.end, there.start)
    leaves = await _leaves(logs, start, there.end)
    new = f"{partition}~{now}"
    if tree is None:
        if not leaves:
            # Heads without leaves: the leaves are gone, and their origin is taken. An aborted transaction, such as that
            # of a shard that was handed over before its first commit, has left an offset, but no head.
            return TreeState(new if await _has_heads(logs, seen["anchors"]) else str(partition))
        name = next(reversed(leaves))
        tree = tree_with(name, TreeEdge())
    found = leaves.get(tree.name, {})
    edge = edge_in(tree)
    while (leaf := found.get(edge.size)) is not None:
        edge = edge.appended(leaf)
    if any(index > edge.size for index in found):
        return TreeState(new)
    return tree_with(tree.name, edge)


async def _has_heads(logs: ShardLogs, there: LogMark) -> bool:
    """Return whether there were heads, or may have been: retention has deleted the beginning."""
    return there.start > 0 or any([bool(records) async for records in logs.read("anchors", there.start, there.end)])


async def _leaves(logs: ShardLogs, start: int, end: int) -> _Leaves:
    leaves: _Leaves = {}
    async for records in logs.read("leaves", start, end):
        for record in records:
            name, _, index = (record.key or b"").decode("utf-8", "replace").rpartition("/")
            if name and index.isdigit() and record.value is not None and len(record.value) == HASH_BYTES:
                known = leaves.pop(name, {})
                known[int(index)] = record.value
                leaves[name] = known
    return leaves
