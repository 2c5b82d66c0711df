"""Claims to shards, and what follows from a transaction of several shards that failed: pure decisions."""

from __future__ import annotations

from bridge.announcement import session_id_problem
from bridge.capture.blame import PATIENCE, failed_parts, late_parts
from bridge.capture.claims import ClaimList
from bridge.capture.stored_chats import stored_shard
from bridge.errors import AccessDenied, KafkaUnavailable, ShardFenced, TransactionHeldUp
from bridge.records.checkpoint_keys import claim_key, is_claim_key, parsed_key, position_name
from bridge.records.writer_schemas import WriterSchemas, is_schema_key

A, B, C = (claim_key("worker", number) for number in "abc")


def claims(*records: tuple[str, str | None]) -> ClaimList:
    found = ClaimList()
    found.read(records, len(records))
    return found


def test_the_claim_that_was_written_last_is_in_force_as_long_as_it_is_not_removed() -> None:
    assert claims().last() is None
    assert claims((A, "one"), (B, "two")).last() == B
    assert claims((A, "one"), (B, "two"), (B, None)).last() == A
    assert claims((A, "one"), (B, "two"), (A, None)).last() == B


def test_a_removal_that_comes_late_removes_no_other_claim() -> None:
    found = claims((A, "one"), (A, None), (B, "one"), (A, None))
    assert found.found == {B: "one"}


def test_who_is_to_be_fenced_are_the_others_and_all_their_claims_are_removed_and_ones_own_former_ones() -> None:
    found = claims((A, "one"), (B, "two"), (C, "one"))
    assert found.others(C) == [A, B]
    assert found.strangers("one") == {"two"}


def test_claims_are_read_on_from_where_they_were_read_to() -> None:
    found = claims((A, "one"))
    found.read([(B, "two"), (A, None)], 3)
    assert (found.position, found.last(), found.others(B)) == (3, B, [])


def test_a_claim_that_is_not_there_any_more_is_not_in_force() -> None:
    """Kafka has removed it: that it was removed may not be seen any more, either."""
    found = ClaimList(7)
    found.read([], 20)
    assert found.last() is None


def test_the_key_of_a_claim_is_of_nothing_else() -> None:
    assert is_claim_key(A)
    assert position_name(A) is None
    assert not is_schema_key(A)
    assert session_id_problem(parsed_key(A)[0])
    assert claim_key("worker", "a") != claim_key("worker2", "a") != claim_key("worker", "b")


def test_a_shard_reads_its_checkpoints_past_claims() -> None:
    shard = stored_shard([(A, b"bridge-worker:one")], WriterSchemas.shipped())
    assert (shard.sessions, shard.marker, list(shard.keys)) == ([], None, [])


HELD_UP, DENIED = TransactionHeldUp("another"), AccessDenied("a topic")


def test_only_those_fail_whose_records_were_refused() -> None:
    assert failed_parts({0: HELD_UP, 1: DENIED}) == {1: DENIED}
    assert failed_parts({1: DENIED}) == {1: DENIED}


def test_all_fail_when_nobody_in_particular_was_refused() -> None:
    assert failed_parts({0: HELD_UP, 1: HELD_UP}) == {0: HELD_UP, 1: HELD_UP}


def test_nobody_fails_because_the_worker_was_fenced() -> None:
    assert failed_parts({0: ShardFenced("fenced"), 1: DENIED}) == {}


def test_late_records_hold_others_up_for_seconds_and_are_waited_for_if_there_are_none() -> None:
    assert late_parts([1], PATIENCE - 1, others=True, most=60) == {}
    assert list(late_parts([1], PATIENCE, others=True, most=60)) == [1]
    assert late_parts([1, 2], 59, others=False, most=60) == {}
    late = late_parts([1, 2], 60, others=False, most=60)
    assert [type(error) for error in late.values()] == [KafkaUnavailable, KafkaUnavailable]
