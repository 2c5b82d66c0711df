"""Workers with `kafka.transactions: shard` beside some with `worker`, as while the setting is changed.

Each test ends by comparing the topics with the simulator's ledger: every event once and in order, whoever wrote it.
"""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.integration.e2e_environment import E2EEnvironment, captured
from tests.integration.test_worker_transactions import CHATS, TOGETHER, epoch_of, settled
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Bridge

FIRST, SECOND = "worker-1", "worker-2"
BY_SHARD: Final[dict[str, Any]] = {"kafka__transactions": "shard"}


@pytest.fixture
def environment(broker: str, tmp_path: Path) -> E2EEnvironment:
    return E2EEnvironment(broker, tmp_path, **TOGETHER)


@pytest.mark.timeout(240)
def test_a_worker_that_stands_still_is_fenced_by_one_with_an_id_for_each_shard(environment: E2EEnvironment) -> None:
    with environment.bridge(FIRST, **BY_SHARD) as one, environment.bridge(SECOND) as two:
        one.wait_ready()
        with environment.chats(concurrent_chats=CHATS, events_per_second=200) as chats:
            settled(one, two)
            epoch = epoch_of(environment, SECOND)
            two.send(signal.SIGSTOP)
            settled(one)
            assert epoch_of(environment, SECOND) > epoch
            before = captured(one)
            two.send(signal.SIGCONT)  # a zombie, until it hears from the group
            wait_for(lambda: captured(one) > before + 200, 30, "nothing is captured any more")
            settled(one, two)
            result = environment.finish(chats)
    assert result.explained == []


@pytest.mark.timeout(240)
def test_a_killed_worker_comes_back_with_the_other_setting(environment: E2EEnvironment) -> None:
    with environment.bridge(SECOND) as two:
        two.wait_ready()
        with environment.chats(concurrent_chats=CHATS, events_per_second=200) as chats:
            settled(two)
            wait_for(lambda: captured(two) > 200, 30, "that the chats are joined is not committed")
            two.kill()
            with environment.bridge(SECOND, **BY_SHARD) as again:
                settled(again)
                result = environment.finish(chats)
    assert result.explained == []
    assert result.kinds["RESUMED"] > 0


@pytest.mark.timeout(400)
def test_the_setting_is_changed_and_changed_back_by_rolling_restarts(environment: E2EEnvironment) -> None:
    with ExitStack() as stack:
        workers: dict[str, Bridge] = {
            name: stack.enter_context(environment.bridge(name, **BY_SHARD)) for name in (FIRST, SECOND)
        }
        workers[FIRST].wait_ready()
        chats = stack.enter_context(environment.chats(concurrent_chats=CHATS, events_per_second=200))
        settled(*workers.values())
        for value in ("worker", "shard"):
            for name in (FIRST, SECOND):
                assert workers[name].terminate() == 0
                workers[name] = stack.enter_context(environment.bridge(name, kafka__transactions=value))
                settled(*workers.values())
        result = environment.finish(chats)
    assert result.explained == []
