"""The tree of a shard whose checkpoints are gone, behind, or from a version that knows no trees."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bridge.capture.shard_evidence import leaf_key, tree_with
from bridge.capture.tree_recovery import recovered_tree
from bridge.evidence.merkle import edge_of, leaf_hash
from bridge.records.shard_facts import LogMark
from bridge.records.tree_state import TreeState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from bridge.capture.ports import StoredRecord
    from bridge.records.shard_facts import Logs

LEAVES = [leaf_hash(b"%d" % index) for index in range(9)]
NOW = 17


@dataclass
class StoredLeaf:
    offset: int
    key: bytes | None
    value: bytes | None


@dataclass
class LeafLog:
    """The leaves topic: what is there, and the offset that was read from; and so many heads, or what is left of them.

    `aborted`: the heads are of transactions that were aborted, and nobody reads them. `deleted`: so many, by retention.
    """

    records: list[StoredLeaf]
    heads: int = 0
    aborted: bool = False
    deleted: int = 0
    names: Mapping[str, str] = field(default_factory=dict)
    read_from: int | None = None

    async def look(self) -> Logs:
        return {"leaves": LogMark(b"", 0, len(self.records)), "anchors": LogMark(b"", self.deleted, self.heads)}

    async def marked(self, kind: str) -> int:
        return (await self.look())[kind].end

    async def committed(self) -> int:
        return 0

    async def read(self, kind: str, start: int, end: int) -> AsyncIterator[Sequence[StoredRecord]]:
        if kind == "anchors":
            yield [] if self.aborted else [StoredLeaf(at, b"3", b"a head") for at in range(start, end)]
            return
        self.read_from = start
        yield [one for one in self.records if start <= one.offset < end]


def log_of(*indices: int, name: str = "3", heads: int = 0) -> LeafLog:
    return LeafLog(
        [StoredLeaf(at, leaf_key(name, index), LEAVES[index]) for at, index in enumerate(indices)], heads=heads
    )


def tree_of(size: int, name: str = "3") -> TreeState:
    return tree_with(name, edge_of(LEAVES[:size]))


def recovered(tree: TreeState | None, log: LeafLog, before: int | None = None) -> TreeState:
    async def recover() -> TreeState:
        marked = None if before is None else {"leaves": LogMark(b"", 0, before)}
        return await recovered_tree(3, tree, log, before=marked, seen=await log.look(), now=NOW)

    return asyncio.run(recover())


def test_a_new_shard_begins_with_an_empty_tree() -> None:
    assert recovered(None, log_of()) == TreeState("3")


@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_marker_that_is_up_to_date_stays_as_it_is(size: int) -> None:
    log = log_of(*range(size))
    assert recovered(tree_of(size), log, before=size) == tree_of(size)
    assert log.read_from == size


def test_a_tree_is_made_again_from_its_leaves() -> None:
    assert recovered(None, log_of(*range(9), heads=1)) == tree_of(9)
    assert recovered(None, log_of(2, 0, 1)) == tree_of(3)  # compaction keeps the last record of a key


def test_a_marker_that_is_behind_takes_the_leaves_after_it() -> None:
    assert recovered(tree_of(4), log_of(*range(9)), before=2) == tree_of(9)


def test_the_tree_that_was_written_last_goes_on() -> None:
    log = log_of(0, 1)
    log.records += [StoredLeaf(2, leaf_key("3~5", 0), LEAVES[5])]
    assert recovered(None, log) == tree_with("3~5", edge_of([LEAVES[5]]))


@pytest.mark.parametrize("indices", [(1, 2), (0, 2)])
def test_where_leaves_are_missing_a_tree_with_another_name_begins(indices: tuple[int, ...]) -> None:
    assert recovered(None, log_of(*indices)) == TreeState(f"3~{NOW}")
    assert recovered(tree_of(0), log_of(*indices), before=0) == TreeState(f"3~{NOW}")


def test_heads_without_leaves_are_of_a_tree_that_is_gone() -> None:
    assert recovered(None, log_of(heads=1)) == TreeState(f"3~{NOW}")


def test_heads_of_aborted_transactions_are_of_no_tree() -> None:
    log = log_of(heads=2)
    log.aborted = True
    assert recovered(None, log) == TreeState("3")


def test_heads_that_were_deleted_are_of_a_tree_that_is_gone() -> None:
    log = log_of(heads=2)
    log.deleted = 2
    assert recovered(None, log) == TreeState(f"3~{NOW}")


def test_a_topic_that_was_made_again_is_read_from_its_beginning() -> None:
    log = log_of()
    assert recovered(tree_of(4), log, before=4) == tree_of(4)
    assert log.read_from == 0


def test_what_is_no_leaf_is_passed_over() -> None:
    log = log_of(0)
    log.records += [
        StoredLeaf(1, None, LEAVES[1]),
        StoredLeaf(2, b"3/x", LEAVES[1]),
        StoredLeaf(3, b"3/1", None),
        StoredLeaf(4, b"3/1", b"short"),
    ]
    assert recovered(None, log) == tree_of(1)
