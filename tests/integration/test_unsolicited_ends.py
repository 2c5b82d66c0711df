"""Servers that end our part in chats that go on, compared with the simulator's ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.e2e_environment import SHORT_LINK_TIMEOUTS, E2EEnvironment, all_joined, followed
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

CHATS = 5


@pytest.fixture
def environment(broker: str, tmp_path: Path) -> E2EEnvironment:
    return E2EEnvironment(broker, tmp_path, **SHORT_LINK_TIMEOUTS).prepare()


@pytest.mark.parametrize(
    ("fault", "values"),
    [("log-out", {"errorId": 8209}), ("log-out", {"errorId": 8209, "named": False}), ("remove-supervisors", {})],
    ids=["logged out of each chat", "logged out of the connection", "removed"],
)
def test_chats_whose_part_a_server_ends_are_joined_again_and_nothing_is_missing(
    environment: E2EEnvironment, fault: str, values: dict[str, Any]
) -> None:
    with environment.bridge() as bridge, environment.chats(concurrent_chats=CHATS) as chats:
        bridge.wait_ready()
        wait_for(lambda: all_joined(bridge, CHATS), 20, "not all chats are joined")
        assert max(chats.fault(fault, **values).values()) >= 1
        wait_for(
            lambda: bridge.metric("chatbridge_resumptions_total") == CHATS,
            20,
            f"not every chat has a RESUMED record: {followed(bridge)}",
        )
        result = environment.finish(chats)
        # Ids have holes; after an absence the bridge cannot tell one from a loss.
        assert result.kinds["GAP"] == bridge.metric("chatbridge_gaps_total", reason="not_in_replay")
    assert result.explained == []


def test_a_server_that_answers_each_join_and_drops_is_named_and_asked_less_and_less(
    environment: E2EEnvironment,
) -> None:
    with (
        environment.bridge(sources__chat_server__reconnect_delay_seconds=2) as bridge,
        environment.chats(concurrent_chats=1) as chats,
    ):
        chats.fault("drop-after-joins", seconds=0.05)
        wait_for(lambda: b"SERVER_UNSTABLE" in bridge.get("/readyz")[1], 30, "the server is not named")
        assert b"chatbridge_unstable_servers{" in bridge.get("/metrics")[1]
        wait_for(lambda: chats.stats()["requests"]["RequestJoin"] == 5, 30, "it is not asked again")
        assert bridge.metric("chatbridge_links_opened_total") == 5
        # The fifth join is answered, too, and shows the chat as joined until its connection is dropped.
        wait_for(lambda: not all_joined(bridge, 1), 10, "the fifth connection is not dropped")
        chats.fault("heal")
        wait_for(lambda: all_joined(bridge, 1), 40, "it is not joined again")
        result = environment.finish(chats)
        assert result.kinds["GAP"] == bridge.metric("chatbridge_gaps_total", reason="not_in_replay")
    assert result.explained == []
