"""Which of the long tests a change is judged by, drawn by a seed: a third of them, and of many variants a quarter."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

TESTS_SHARE: Final = 3
"""One in so many tests is drawn."""
FEWEST: Final = 3
SHARE: Final = 4
"""One in so many variants is drawn, at least `FEWEST`, unless a test says otherwise."""


def drawn_tests(node_ids: Iterable[str], seed: int) -> set[str]:
    """Return which of these tests to run: all variants of one in `TESTS_SHARE`, rounded up.

    Node ids are pytest's (`file::test[variant]`). Each test is as likely as the others, whatever their order is; over
    many seeds all are run.
    """
    tests = _by_test(node_ids)
    kept = sorted(tests, key=lambda test: _place(seed, test))[: -(-len(tests) // TESTS_SHARE)]
    return {node_id for test in kept for node_id in tests[test]}


def drawn_variants(node_ids: Iterable[str], seed: int, share: int = SHARE) -> set[str]:
    """Return which of these variants to run: of a test with up to `FEWEST` all; of others, one in `share`.

    Each variant is as likely as the others of its test, as above.
    """
    found: set[str] = set()
    for same_test in _by_test(node_ids).values():
        count = max(FEWEST, -(-len(same_test) // share))
        found.update(sorted(same_test, key=lambda node_id: _place(seed, node_id))[:count])
    return found


def _by_test(node_ids: Iterable[str]) -> dict[str, list[str]]:
    tests: dict[str, list[str]] = defaultdict(list)
    for node_id in node_ids:
        tests[node_id.partition("[")[0]].append(node_id)
    return tests


def _place(seed: int, node_id: str) -> bytes:
    return hashlib.sha256(f"{seed} {node_id}".encode()).digest()
