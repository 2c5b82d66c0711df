"""`python -m tests.chaos.mutant_tests MUTANT`: the tests that have to detect a deliberate defect of the engine.

The mutants of `mutant_bridge.py` show in what is on Kafka after a run. These show at one moment only, which their
tests reach every time: a stop, a commit whose answer is lost, one that is denied, topics that were made again.
"""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

from bridge.adapters.kafka import transactional_writer
from bridge.capture import signing
from bridge.capture.announcement_place import AnnouncementPlace
from bridge.capture.batch_numbers import BatchNumbers
from bridge.capture.hand_over import HandOver
from bridge.capture.inbox import Inbox
from bridge.capture.shard_recovery import Repair, ShardRecovery
from bridge.errors import ShardFenced
from bridge.records.writer_schemas import WriterSchemas
from tests.chaos.left_out_steps import LEFT_OUT_STEPS, leave_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka import AIOKafkaProducer

    from bridge.capture.ports import Outgoing
    from bridge.capture.session_store import SessionStore
    from bridge.evidence.signed_note import PublicKey
    from bridge.records.shard_facts import ShardFacts

_LONG: Final = 1e6
_NONE: Final = "none"


def _wait_for_put_back() -> None:
    """Wait with `asyncio.wait_for`, which loses a cancellation that comes in the same turn as the result."""
    arrival = Inbox.arrival

    async def waited(self: Inbox) -> None:
        await asyncio.wait_for(arrival(self), _LONG)

    Inbox.arrival = waited  # type: ignore[method-assign]


def _refusal_counts_as_hand_over() -> None:
    """Take a worker's own refusal, after it left the group, for another owner of the shard."""

    def check(self: HandOver) -> NoReturn:  # noqa: ARG001
        raise ShardFenced("this worker left the group")

    HandOver.check = check  # type: ignore[method-assign]


def _committed_batch_folded_again() -> None:
    """Never recognise that a batch in doubt was committed."""

    def committed(self: BatchNumbers, number: int) -> bool:  # noqa: ARG001
        return False

    BatchNumbers.committed = committed  # type: ignore[method-assign]


def _batches_sent_outside_of_their_transaction() -> None:
    """Let aiokafka send what it has not added to the transaction, after it was denied one topic."""

    def leave(producer: AIOKafkaProducer) -> None:
        """Change nothing."""

    transactional_writer.fail_batches_outside_transaction = leave  # type: ignore[attr-defined]


def _writer_schema_ignored() -> None:
    """Decode with today's schema, whatever schema wrote a value."""

    def decode(self: WriterSchemas, name: str, payload: bytes, writer: int | bytes) -> dict[str, Any]:  # noqa: ARG001
        return self.schemas.decode(name, payload)

    WriterSchemas.decode = decode  # type: ignore[method-assign]


def _no_checkpoints_are_a_fresh_start() -> None:
    """Open a shard without a marker as one that nobody has used before, whatever is on the other topics."""
    opening = ShardRecovery.opening

    async def opened(self: ShardRecovery, store: SessionStore, *, before: ShardFacts | None, kept: bool) -> Repair:
        if before is not None or kept:
            return await opening(self, store, before=before, kept=kept)
        repair = Repair()
        self._finish(store, repair, set(), set())
        return repair

    ShardRecovery.opening = opened  # type: ignore[method-assign]


def _offset_guard_restored() -> None:
    """Take announcements for records seen before when the offsets of their topic have gone back."""

    def keep(self: AnnouncementPlace, offset: int | None) -> None:
        """Change nothing."""

    AnnouncementPlace.expect = keep  # type: ignore[method-assign]


def _signs_before_deciding() -> None:
    """Put the signature that was made first for a chat under all of its records: not that of what is committed."""
    made: dict[bytes, bytes] = {}
    sign = signing._sign

    def signed(record: Outgoing, key: PublicKey, signature: bytes) -> None:
        sign(record, key, made.setdefault(record.key, signature))

    signing._sign = signed


@dataclass(slots=True, frozen=True)
class _EngineMutant:
    """A defect, and the tests that detect it: a file, or one test in it."""

    patch: Callable[[], None]
    tests: str


_TESTS: Final = "tests/capture"
_TESTS_OF_STEPS: Final = {
    "shards-told-before-the-end": "test_shared_commits",
    "committed-without-acknowledgement": "test_shared_commits",
    "claim-removed-before-those-of-others": "test_released_claims",
    "later-claim-ignored": "test_later_claims",
}
ENGINE_MUTANTS: Final = {
    "wait-for-put-back": _EngineMutant(
        _wait_for_put_back,
        f"{_TESTS}/test_cancelled_engine.py::test_a_cancelled_close_of_a_worker_has_stopped_every_shard_when_it_ends",
    ),
    "refusal-counts-as-hand-over": _EngineMutant(_refusal_counts_as_hand_over, f"{_TESTS}/test_draining.py"),
    "committed-batch-folded-again": _EngineMutant(_committed_batch_folded_again, f"{_TESTS}/test_commit_answers.py"),
    "batches-outside-transaction": _EngineMutant(
        _batches_sent_outside_of_their_transaction, "tests/integration/test_transactional_writer.py"
    ),
    "writer-schema-ignored": _EngineMutant(
        _writer_schema_ignored,
        f"{_TESTS}/test_unknown_schema.py::test_a_store_restores_what_the_next_version_wrote_and_its_schema_with_it",
    ),
    "no-checkpoints-a-fresh-start": _EngineMutant(
        _no_checkpoints_are_a_fresh_start,
        f"{_TESTS}/test_changed_logs.py"
        "::test_a_shard_with_events_and_without_checkpoints_goes_on_with_the_chats_that_the_events_tell_of",
    ),
    "offset-guard-restored": _EngineMutant(
        _offset_guard_restored,
        f"{_TESTS}/test_changed_logs.py"
        "::test_announcements_of_a_topic_that_was_made_again_are_taken_although_their_offsets_are_lower",
    ),
    "signs-before-deciding": _EngineMutant(_signs_before_deciding, f"{_TESTS}/test_signing.py"),
    **{
        step: _EngineMutant(
            functools.partial(leave_out, step),
            f"{_TESTS}/{_TESTS_OF_STEPS.get(step, 'test_taken_shards')}.py",
        )
        for step in LEFT_OUT_STEPS
    },
}


def detected(mutant: str) -> tuple[bool, bool]:
    """Return whether the tests of a mutant fail with it, and whether they pass without it."""
    codes = [_run(one, ENGINE_MUTANTS[mutant].tests) for one in (mutant, _NONE)]
    return codes[0] == pytest.ExitCode.TESTS_FAILED, codes[1] == pytest.ExitCode.OK


@functools.cache
def _run(mutant: str, tests: str) -> int:
    command = [sys.executable, "-m", "tests.chaos.mutant_tests", mutant, tests]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode


def main() -> int:
    """Run the tests of a file, with a mutant or with `none`; return pytest's exit code.

    A mutant that cannot be made any more is an internal error: Python's own exit code would say that a test failed.
    """
    mutant, tests = sys.argv[1:]
    try:
        if mutant != _NONE:
            ENGINE_MUTANTS[mutant].patch()
    except Exception:  # noqa: BLE001 - whatever it is
        traceback.print_exc()
        return pytest.ExitCode.INTERNAL_ERROR
    # Native tracebacks: those of a recursion without end cannot be taken apart.
    return pytest.main([tests, "-m", "", "--quiet", "--exitfirst", "--tb=native", "-p", "no:cacheprovider"])


if __name__ == "__main__":
    sys.exit(main())
