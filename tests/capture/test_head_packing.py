"""Heads in memory: they come back as they were, and those that are alike take up little."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from bridge.capture.head_packing import HeadPacking
from tests.capture.stored_documents_of import never_announced, stored
from tests.transcript.build import joined, said


@given(st.lists(st.binary(max_size=3_000), max_size=9))
def test_heads_come_back_as_they_were(heads: list[bytes]) -> None:
    packing = HeadPacking()
    packed = [packing.packed(head) for head in heads]
    assert [packing.unpacked(one) for one in packed] == heads


def test_a_head_takes_up_little_beside_one_that_is_alike() -> None:
    packing, source = HeadPacking(), random.Random(1)
    common = source.randbytes(120)
    heads = [common[:40] + source.randbytes(32) + common[40:] for _ in range(20)]
    sizes = [len(packing.packed(head)) for head in heads]
    assert max(sizes[4:]) < 32 + 20


def test_against_a_model_of_ones_own_nothing_is_kept_of_what_was_packed() -> None:
    model = b'{"name": "nobody", "place": "nowhere"}'
    first, second = HeadPacking(model), HeadPacking(model)
    head = b'{"name": "Ada", "place": "nowhere"}'
    packed = first.packed(head)
    assert len(packed) < len(head)
    assert first.packed(head) == second.packed(head) == packed
    assert second.unpacked(packed) == head


def test_closed_chats_are_the_same_after_a_restart_whatever_their_order() -> None:
    shard = never_announced()
    for number in range(8):
        shard.fold(*stored(joined(1), said(2, "x" * number), offset=number + 1, session_id=f"S{number}"))
    shard.now += 3_600_000_000
    shard.fold()
    heads = dict(shard.store.closed)
    assert len(heads) == 8
    assert dict(shard.restarted().store.closed) == heads
