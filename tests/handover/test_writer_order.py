"""The judge of a shard's log: a hand-over in order is accepted, and each rule has a log that breaks it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.handover.claimed_log import ClaimedLog
from tests.handover.writer_order import JudgedWriters, judge
from tests.support.log_batches import LogBatch

if TYPE_CHECKING:
    from collections.abc import Iterable

SHARD = "group-0"
IDS = {1: "group-worker:one", 2: "group-worker:two", 3: "group-worker:one:2", 9: SHARD}
PRODUCERS = {"one": 1, "two": 2, "one-second": 3, "shard": 9}


class WrittenLog:
    """A log that is written step by step; `epochs` are those of the producers from now on."""

    def __init__(self) -> None:
        self.end = 0
        self.epochs = dict.fromkeys(PRODUCERS, 0)
        self.log = ClaimedLog(_number)

    def _append(self, producer: int, epoch: int, records: Iterable[tuple[bytes, bytes | None]], **more: bool) -> None:
        written = tuple(records)
        last = self.end + len(written) - 1
        self.log.take(LogBatch(self.end, last, producer, epoch, more["transactional"], written, more.get("commits")))
        self.end = last + 1

    def claim(self, who: str, number: int) -> None:
        worker = "one" if who == "one-second" else who
        value = IDS[PRODUCERS[who]].encode()
        self._append(70, 0, [(f"/claim/{worker}/{number}".encode(), value)], transactional=False)

    def remove(self, who: str, number: int) -> None:
        self._append(71, 0, [(f"/claim/{who}/{number}".encode(), None)], transactional=False)

    def write(self, who: str, number: int) -> None:
        value = str(number).encode()
        self._append(PRODUCERS[who], self.epochs[who], [(b"A", value), (b"A#s", b"")], transactional=True)

    def end_transaction(self, who: str, *, commits: bool = True) -> None:
        marker = [(b"\0\0\0\1", b"")]
        self._append(PRODUCERS[who], self.epochs[who], marker, transactional=True, commits=commits)

    def commit(self, who: str, number: int) -> None:
        self.write(who, number)
        self.end_transaction(who)

    def judged(self) -> JudgedWriters:
        return judge(self.log, IDS, SHARD)

    def problem(self) -> str:
        """Return the only problem."""
        [found] = self.judged().problems
        return found


def _number(records: Iterable[tuple[bytes | None, bytes | None]]) -> int | None:
    return next((int(value) for key, value in records if key == b"A" and value), None)


@pytest.fixture
def log() -> WrittenLog:
    """Give a log in which `one` has committed twice, and `two` claims the shard."""
    log = WrittenLog()
    log.claim("one", 1)
    log.commit("one", 1)
    log.commit("one", 2)
    log.claim("two", 2)
    return log


def test_a_hand_over_in_order_is_accepted(log: WrittenLog) -> None:
    log.commit("one", 3)  # it does not know of the other claim yet
    log.write("one", 4)
    log.end_transaction("one", commits=False)  # as fencing does
    log.remove("one", 1)
    log.commit("two", 4)
    log.epochs["one"] = 1
    log.claim("one", 3)
    log.remove("two", 2)
    log.commit("one", 5)
    assert log.judged() == JudgedWriters(commits=5, judged=5, changes=2)


def test_a_worker_that_leaves_in_order_is_not_fenced_and_comes_back(log: WrittenLog) -> None:
    log.remove("one", 1)
    log.commit("two", 3)
    log.remove("two", 2)
    log.claim("one", 3)
    log.commit("one", 4)
    assert log.judged() == JudgedWriters(commits=4, judged=4, changes=2)


def test_who_was_not_fenced_commits_after_the_taker(log: WrittenLog) -> None:
    log.commit("two", 3)
    log.commit("one", 4)
    assert "after one under the later claim /claim/two/2" in log.problem()


def test_a_claim_is_removed_of_somebody_who_goes_on(log: WrittenLog) -> None:
    log.remove("one", 1)
    log.commit("one", 3)
    assert "no claim of this id was in force" in log.problem()


def test_a_claim_is_removed_before_the_last_record_of_a_commit(log: WrittenLog) -> None:
    log.write("one", 3)
    log.remove("one", 1)
    log.write("one", 3)
    log.end_transaction("one")
    assert "no claim of this id was in force" in log.problem()


def test_who_commits_has_not_claimed() -> None:
    log = WrittenLog()
    log.commit("one", 1)
    log.claim("one", 1)
    log.commit("one", 2)
    assert "no claim of this id was in force" in log.problem()


def test_a_claim_with_the_key_of_another_one_replaces_it(log: WrittenLog) -> None:
    log.commit("two", 3)
    log.claim("two", 2)
    log.remove("two", 2)
    log.commit("two", 4)
    assert "no claim of this id was in force" in log.problem()


def test_records_of_two_writers_lie_between_each_other(log: WrittenLog) -> None:
    log.write("one", 3)
    log.write("two", 3)
    log.write("one", 3)
    log.end_transaction("one")
    log.end_transaction("two")
    assert "its records lie between those of another one" in log.problem()


def test_a_commit_is_marked_when_the_taker_has_gone_on(log: WrittenLog) -> None:
    log.write("one", 3)
    log.write("two", 4)
    log.end_transaction("one")
    log.end_transaction("two")
    assert "a commit of group-worker:one was not marked" in log.problem()


def test_a_commit_under_a_former_id_of_ones_own_may_be_marked_late() -> None:
    log = WrittenLog()
    log.claim("one", 1)
    log.write("one", 1)
    log.claim("one-second", 2)
    log.commit("one-second", 2)
    log.end_transaction("one")
    assert log.judged() == JudgedWriters(commits=2, judged=2, changes=1)
    log.commit("one", 3)
    assert "after one under the later claim" in log.problem()


def test_an_epoch_that_was_fenced_commits(log: WrittenLog) -> None:
    log.epochs["one"] = 1
    log.commit("one", 3)
    log.epochs["one"] = 0
    log.commit("one", 4)
    assert "its epoch was fenced" in log.problem()


@pytest.mark.parametrize("number", [2, 4])
def test_a_commit_does_not_go_on_from_the_one_before_it(log: WrittenLog, number: int) -> None:
    log.remove("one", 1)
    log.commit("two", number)
    assert f"it is called number {number} after 2" in log.problem()


def test_the_producer_is_unknown(log: WrittenLog) -> None:
    log.remove("one", 1)
    log.commit("two", 3)
    found = judge(log.log, {1: IDS[1]}, SHARD).problems
    assert [one for one in found if "has no transactional id" in one] == found != []


def test_the_shards_own_id_needs_no_claim_and_its_epochs_are_changes() -> None:
    log = WrittenLog()
    log.commit("shard", 1)
    log.epochs["shard"] = 1
    log.commit("shard", 2)
    assert log.judged() == JudgedWriters(commits=2, judged=2, changes=1)
    log.epochs["shard"] = 0
    log.commit("shard", 3)
    assert "its epoch was fenced" in log.problem()


def test_the_shards_own_id_takes_a_shard_and_gives_it_back(log: WrittenLog) -> None:
    log.remove("two", 2)
    log.claim("shard", 5)
    log.remove("one", 1)
    log.remove("shard", 5)
    log.commit("shard", 3)
    log.claim("two", 6)
    log.commit("shard", 4)  # it is not fenced yet
    log.commit("two", 5)
    log.remove("two", 6)
    log.epochs["shard"] = 2
    log.commit("shard", 6)
    assert log.judged() == JudgedWriters(commits=6, judged=6, changes=3)


def test_the_shards_own_id_was_not_initialised_by_who_has_claimed() -> None:
    log = WrittenLog()
    log.commit("shard", 1)
    log.claim("one", 1)
    log.commit("one", 2)
    log.remove("one", 1)
    log.commit("shard", 3)
    assert "its epoch was fenced by whoever has committed under a claim" in log.problem()


def test_the_shards_own_id_does_not_remove_claims(log: WrittenLog) -> None:
    log.commit("shard", 3)
    assert "the claim /claim/one/1, which was committed under, is not removed" in log.problem()


def test_what_lies_behind_a_hole_is_judged_by_itself(log: WrittenLog) -> None:
    log.end += 10  # compacted: the removal of the claim of `one`, and commits of `two`
    log.commit("two", 9)
    log.remove("three", 7)  # whose claim was there
    log.commit("two", 10)
    assert log.judged() == JudgedWriters(commits=4, judged=4)


def test_what_lies_before_a_hole_stays_judged(log: WrittenLog) -> None:
    log.commit("two", 3)
    log.commit("one", 4)
    assert "it was made after one under the later claim" in log.problem()
    log.end += 10
    log.commit("two", 9)
    log.commit("two", 10)
    assert "it was made after one under the later claim" in log.problem()
    assert log.judged().judged == 6


def test_a_commit_with_a_hole_in_it_is_not_judged(log: WrittenLog) -> None:
    log.write("two", 3)
    log.end += 10
    log.end_transaction("two")
    assert log.judged() == JudgedWriters(commits=3, judged=2)


def test_a_claim_of_which_only_the_removal_is_left_was_there(log: WrittenLog) -> None:
    log.end += 10
    log.commit("one-second", 9)
    log.remove("one", 7)
    assert log.judged().problems == []
    log.commit("one-second", 10)
    assert "no claim of this id was in force" in log.problem()


def test_a_batch_without_some_of_its_records_is_a_hole(log: WrittenLog) -> None:
    log.log.take(LogBatch(log.end, log.end + 1, 1, 0, transactional=True, records=((b"A", b"3"),)))
    log.end += 2
    log.end_transaction("one")
    assert log.judged() == JudgedWriters(commits=3, judged=2)


def test_nothing_is_judged_of_an_empty_log() -> None:
    assert "none of 0 commits" in WrittenLog().problem()
