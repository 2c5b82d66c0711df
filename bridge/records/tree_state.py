"""TreeState in the marker of a shard: the right edge of the tree over the shard's certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.records.binary import NULL, SOME, data, long, text


@dataclass(slots=True, frozen=True)
class TreeState:
    """Name of the tree, number of its leaves, and the roots of its complete subtrees, 32 bytes each, largest first."""

    name: str
    size: int = 0
    roots: bytes = b""


def tree_block(tree: TreeState | None) -> bytes:
    """Encode a nullable TreeState."""
    return NULL if tree is None else SOME + text(tree.name) + long(tree.size) + data(tree.roots)


def tree_state(record: dict[str, Any] | None) -> TreeState | None:
    """Return what `tree_block` encoded, decoded by Avro."""
    return None if record is None else TreeState(record["name"], record["size"], record["roots"])
