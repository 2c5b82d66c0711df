"""A defect ends a shard's task: its successor continues with every announcement and chat that it held (P2).

`python -m tests.integration.test_crashed_shard WHICH run ...` is `chatbridge` with such a defect: a shard crashes when
it folds its first announcements (each shard once, or the first one every time), or when it packs its first
transaction. Or aiokafka raises the error: then the shard must not crash. The defect is patched in at
run time, in that process only.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from aiokafka import AIOKafkaProducer

from bridge import cli
from bridge.adapters.kafka.partitioner import partition_of
from bridge.adapters.kafka.transactional_writer import KafkaTransactionalWriter
from bridge.capture.inbox import Announced, Input
from bridge.capture.session_store import SessionStore
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment, all_joined, followed, reasons
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.look_ahead import Behind

CHATS = 20
EACH_ONCE = "each-once"
FIRST_ALWAYS = "first-always"
PACKING = "packing"
AIOKAFKA = "aiokafka"
FROM_AIOKAFKA = (OSError, AssertionError, RuntimeError, TypeError)
"""What its calls raise, one after the other, in that process."""


class EachOnce(Bridge):
    program: ClassVar[list[str]] = ["-m", "tests.integration.test_crashed_shard", EACH_ONCE]


class FirstAlways(Bridge):
    program: ClassVar[list[str]] = ["-m", "tests.integration.test_crashed_shard", FIRST_ALWAYS]


class Packing(Bridge):
    program: ClassVar[list[str]] = ["-m", "tests.integration.test_crashed_shard", PACKING]


class Aiokafka(Bridge):
    program: ClassVar[list[str]] = ["-m", "tests.integration.test_crashed_shard", AIOKAFKA]


def test_what_a_crashed_shard_had_in_hand_is_taken_up_by_its_successor(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path).prepare()
    with environment.chats(concurrent_chats=CHATS) as chats:
        wait_for(lambda: len(chats.open_chats()) == CHATS, 20, "not all chats are open")
        with environment.bridge(make=EachOnce) as bridge:
            wait_for(lambda: all_joined(bridge, CHATS), 30, lambda: f"joined: {len(bridge.sessions())} of {CHATS}")
            assert bridge.metric("chatbridge_shard_changes_total", change="crashed") == 3
            bridge.wait_ready()
            result = environment.finish(chats)
    assert result.explained == []
    assert "ZeroDivisionError" in bridge.log.read_text("utf-8")


@pytest.mark.parametrize("transactions", ["shard", "worker"])
def test_a_defect_inside_a_transaction_ends_the_shard_and_is_logged_with_class_and_place(
    broker: str, tmp_path: Path, transactions: str
) -> None:
    environment = E2EEnvironment(broker, tmp_path, kafka__transactions=transactions).prepare()
    with environment.chats(concurrent_chats=CHATS) as chats:
        wait_for(lambda: len(chats.open_chats()) == CHATS, 20, "not all chats are open")
        with environment.bridge(make=Packing) as bridge:
            crashes = "chatbridge_shard_changes_total"
            wait_for(lambda: bridge.metric(crashes, change="crashed") == 3, 30, "not every shard has crashed")
            wait_for(lambda: all_joined(bridge, CHATS), 30, lambda: f"joined: {len(bridge.sessions())} of {CHATS}")
            assert bridge.metric(crashes, change="crashed") == 3
            assert bridge.metric("chatbridge_transactions_total", outcome="failed") == 0
            result = environment.finish(chats)
    assert result.explained == []
    logged = [line for line in bridge.log.read_text("utf-8").splitlines() if "shard_crashed" in line]
    assert len(logged) == 3
    for line in logged:
        assert "TypeError" in line
        assert "transactional_writer.py" in line


def test_the_same_classes_of_error_from_aiokafka_are_retried(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path).prepare()
    with environment.chats(concurrent_chats=CHATS) as chats:
        wait_for(lambda: len(chats.open_chats()) == CHATS, 20, "not all chats are open")
        with environment.bridge(make=Aiokafka) as bridge:
            wait_for(lambda: all_joined(bridge, CHATS), 30, lambda: f"joined: {len(bridge.sessions())} of {CHATS}")
            # Not by their number: with one transaction for all shards, one error fails what several of them have in it.
            wait_for(lambda: not untold(bridge), 30, lambda: f"not raised, or not in the log: {untold(bridge)}")
            assert bridge.metric("chatbridge_transactions_total", outcome="failed") > 0
            assert bridge.metric("chatbridge_shard_changes_total", change="crashed") == 0
            result = environment.finish(chats)
    assert result.explained == []


def untold(bridge: Bridge) -> list[str]:
    """Return the classes of error that are not in the log."""
    log = bridge.log.read_text("utf-8")
    return [error.__name__ for error in FROM_AIOKAFKA if error.__name__ not in log]


def test_a_shard_that_crashes_again_and_again_is_told_by_the_probe_and_stops_no_other(
    broker: str, tmp_path: Path
) -> None:
    environment = E2EEnvironment(broker, tmp_path).prepare()
    with environment.chats(concurrent_chats=CHATS) as chats:
        wait_for(lambda: len(chats.open_chats()) == CHATS, 20, "not all chats are open")
        began = time.monotonic()
        with environment.bridge(make=FirstAlways) as bridge:
            crashes = "chatbridge_shard_changes_total"
            wait_for(lambda: bridge.metric(crashes, change="crashed") >= 3, 40, "it does not crash again")
            assert time.monotonic() - began > 10  # the pause before its third start
            wait_for(
                lambda: "SHARD_CRASHED: shard 0: " in str(reasons(bridge)),
                10,
                "the probe does not report it",
            )
            assert bridge.get("/livez")[0] == 200
            shards = Counter(chat["shard"] for chat in followed(bridge) if chat["joined"])
            others = [chat["sessionId"] for chat in chats.open_chats() if partition_of_chat(chat) != 0]
            assert set(shards) == {1, 2}
            assert shards.total() == len(others)
            assert bridge.terminate() == 1  # not all input could be committed
    assert environment.interference() == []


def partition_of_chat(chat: dict[str, Any]) -> int:
    return partition_of(chat["sessionId"].encode(), PARTITIONS)


def _die_of_an_announcement(which: str) -> None:
    fold, dead = SessionStore.fold, set[int]()

    def defective(
        self: SessionStore, inputs: Sequence[Input], now: int, *, mark: bool = False, behind: Behind = None
    ) -> TransactionPlan:
        dies = self._partition not in dead if which == EACH_ONCE else self._partition == 0
        if dies and any(isinstance(one, Announced) for one in inputs):
            dead.add(self._partition)
            raise ZeroDivisionError
        return fold(self, inputs, now, mark=mark, behind=behind)

    SessionStore.fold = defective  # type: ignore[method-assign]


def _die_of_packing() -> None:
    pack, dead = KafkaTransactionalWriter._pack, set[int]()

    def defective(
        self: KafkaTransactionalWriter, producer: AIOKafkaProducer, topic: str, partition: int, *words: Any
    ) -> Any:
        if partition not in dead:
            dead.add(partition)
            raise TypeError
        return pack(self, producer, topic, partition, *words)

    KafkaTransactionalWriter._pack = defective  # type: ignore[method-assign, assignment]


def _fail_in_aiokafka() -> None:
    send, errors = AIOKafkaProducer.send_batch, list(FROM_AIOKAFKA)

    async def defective(self: AIOKafkaProducer, *words: Any, **named: Any) -> Any:
        if errors:
            raise errors.pop()
        return await send(self, *words, **named)

    AIOKafkaProducer.send_batch = defective


if __name__ == "__main__":
    which = sys.argv.pop(1)
    if which == PACKING:
        _die_of_packing()
    elif which == AIOKAFKA:
        _fail_in_aiokafka()
    else:
        _die_of_an_announcement(which)
    sys.exit(cli.main())
