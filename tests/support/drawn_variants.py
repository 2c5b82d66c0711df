"""Which variants of a parametrized test a change is judged by: some of many, drawn by a seed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

FEWEST: Final = 3
SHARE: Final = 4
"""One in so many variants is drawn, at least `FEWEST`."""


def drawn(node_ids: Iterable[str], seed: int) -> set[str]:
    """Return which of these tests to run: all that have up to `FEWEST` variants; of others, those that the seed draws.

    Node ids are pytest's (`file::test[variant]`). Each variant is as likely as the others of its test, whatever their
    order is; over many seeds all are run.
    """
    variants: dict[str, list[str]] = defaultdict(list)
    for node_id in node_ids:
        variants[node_id.partition("[")[0]].append(node_id)
    found: set[str] = set()
    for same_test in variants.values():
        count = max(FEWEST, -(-len(same_test) // SHARE))
        found.update(sorted(same_test, key=lambda node_id: _place(seed, node_id))[:count])
    return found


def _place(seed: int, node_id: str) -> bytes:
    return hashlib.sha256(f"{seed} {node_id}".encode()).digest()
