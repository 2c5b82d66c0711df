"""The chain of the audit topic, and what its records say of holds and erasures."""

from __future__ import annotations

import pytest

from bridge.errors import VerificationFailed
from bridge.records.audit_chain import (
    ERASED,
    HELD,
    NOT_YET_GONE,
    REFUSED_OPEN,
    RELEASED,
    REQUESTED,
    AuditChain,
    AuditEntry,
)
from bridge.records.writer_schemas import WriterSchemas

WRITERS = WriterSchemas.shipped()


def entry(outcome: str, *session_ids: str, verb: str = "hold") -> AuditEntry:
    return AuditEntry(
        at=1_930_000_000_000_000,
        verb=verb,
        request="r1",
        outcome=outcome,
        session_ids=session_ids,
        who="someone@host",
        principal="User:bridge",
        reason="a case",
        detail="3 records",
    )


def chain() -> AuditChain:
    return AuditChain(WRITERS, "north")


def written(*entries: AuditEntry) -> list[bytes]:
    made = chain()
    return [made.made(one) for one in entries]


def test_what_is_written_is_read_back_and_goes_on() -> None:
    entries = [entry(HELD, "a", "b"), entry(RELEASED, "a")]
    read = chain()
    assert [read.take(value) for value in written(*entries)] == entries
    third = read.made(entry(HELD, "c"))
    again = chain()
    for value in (*written(*entries), third):
        again.take(value)
    assert len(again.entries) == 3


@pytest.mark.parametrize("missing", [0, 1])
def test_a_record_that_was_taken_out_breaks_the_chain(missing: int) -> None:
    values = written(entry(HELD, "a"), entry(RELEASED, "a"), entry(HELD, "b"))
    del values[missing]
    read = chain()
    for value in values[:missing]:
        read.take(value)
    with pytest.raises(VerificationFailed, match="does not follow"):
        read.take(values[missing])


def test_an_altered_record_breaks_the_chain() -> None:
    [value] = written(entry(HELD, "a"))
    with pytest.raises(VerificationFailed, match="does not follow"):
        chain().take(value.replace(b"a case", b"a Case"))


def test_a_chat_is_held_until_it_is_released() -> None:
    read = chain()
    for one in (entry(HELD, "a", "b"), entry(RELEASED, "b"), entry(RELEASED, "never held"), entry(HELD, "a")):
        read.made(one)
    assert read.holds().keys() == {"a"}


def test_an_erasure_counts_from_its_request_on_unless_it_was_refused() -> None:
    read = chain()
    for outcome, *chats in ((REQUESTED, "a", "b", "c"), (REFUSED_OPEN, "b"), (ERASED, "a"), (NOT_YET_GONE, "c")):
        read.made(entry(outcome, *chats, verb="erase"))
    read.made(entry(REQUESTED, "d", verb="subject export"))
    assert read.erasing() == {"a", "c"}
    assert read.not_erased() == {"c"}
    read.made(entry(REQUESTED, "a", verb="subject erase"))
    assert read.not_erased() == {"a", "c"}
