"""The table of chats holds what a dict would hold, in little more than the bytes that are put into it."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from bridge.capture.chat_table import ENTRIES, ChatTable, TableEntry

session_ids = st.one_of(st.integers(0, 3 * ENTRIES).map(lambda one: b"%d" % one), st.binary(max_size=3))
entries = st.builds(TableEntry, st.integers(-9, 9), st.binary(max_size=40))
puts = st.tuples(session_ids, entries)
drops = session_ids
before = st.integers(-9, 10)


def filled(count: int, value: bytes = b"") -> ChatTable:
    table = ChatTable()
    for number in range(count):
        table.put(b"%016d" % number, TableEntry(number, value))
    return table


@given(st.lists(st.one_of(puts, drops, before), max_size=200))
def test_it_holds_what_a_dict_would_hold(steps: list[tuple[bytes, TableEntry] | bytes | int]) -> None:
    table, expected = ChatTable(), dict[bytes, TableEntry]()
    for step in steps:
        if isinstance(step, tuple):
            table.put(*step)
            expected[step[0]] = step[1]
        elif isinstance(step, bytes):
            table.drop(step)
            expected.pop(step, None)
        else:
            gone = [session_id for session_id, entry in expected.items() if entry.at < step]
            assert sorted(table.drop_before(step)) == sorted(gone)
            for session_id in gone:
                del expected[session_id]
        assert (len(table), sorted(table)) == (len(expected), sorted(expected.items()))
        asked = step[0] if isinstance(step, tuple) else b"1"
        assert (table.get(asked), asked in table) == (expected.get(asked), asked in expected)


def test_each_of_many_is_found_and_no_other_one() -> None:
    count = 100 * ENTRIES + 1
    table = filled(count)
    assert [table.get(b"%016d" % number) for number in range(count)] == [TableEntry(at, b"") for at in range(count)]
    assert not any(b"%016d" % number in table for number in range(count, 2 * count))
    assert len(dict(table)) == len(table) == count


def test_an_id_in_the_value_of_another_entry_is_not_found() -> None:
    table = ChatTable()
    table.put(b"one", TableEntry(1, b"two"))
    assert b"two" not in table
    table.drop(b"two")
    assert dict(table) == {b"one": TableEntry(1, b"two")}


def test_it_takes_at_most_25_bytes_beside_each_entry() -> None:
    count, value = 2_000, bytes(100)
    filled(1)  # what is made once
    tracemalloc.start()
    try:
        table = filled(count, value)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(table) == count
    assert taken / count < 16 + len(value) + 25
