"""A chat whose history is longer than a frame: all of it is published, in parts, and other chats go on meanwhile."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bridge.chatserver.messages import FORCE_CLOSE, RequestJoin, RequestMessage, RequestReleaseParty
from bridge.transcript.events import CLIENT, MessageText
from bridge.transcript.gap_codes import HISTORY_TOO_LONG
from bridge.transcript.input_codes import TOO_LONG
from tests.integration.e2e_environment import (
    CUSTOMER,
    E2EEnvironment,
    all_joined,
    captured,
    gap_codes,
    joins_and_leaves,
)
from tests.simulator.raw_client import TestClient, run_test, until
from tests.support.oracle import read_all
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.processes import Simulator

SECONDS = 90
LONG = "".join(random.Random(2).choices("abcdefghijklmnopqrstuvwxyz ", k=350))
EVENTS = 10_500
"""Messages of the longest chat: with their attributes more than 5 MiB."""
BESIDE = 4_000
"""More than 2 MiB."""


async def long_chat(server: Simulator, count: int, meanwhile: Callable[[], object]) -> str:
    """A customer opens a chat, says so many messages, waits for `meanwhile`, and ends the chat; returns its id."""
    client = await TestClient.monitor(int(server.address.rpartition(":")[2]), user_type=CLIENT, nickname=CUSTOMER)
    answer = await client.ask(RequestJoin(reference_id=1, visibility="ALL"))
    session_id: str = answer.chat_transcript.session_id  # type: ignore[attr-defined]
    before = len(client.received)
    for number in range(count):
        client.say(RequestMessage(session_id, MessageText(f"{number} {LONG}")))
    await until(lambda: len(client.received) >= before + count)
    await asyncio.to_thread(meanwhile)
    await client.ask(RequestReleaseParty(session_id=session_id, after_action=FORCE_CLOSE, reference_id=2))
    return session_id


def messages(environment: E2EEnvironment) -> list[str]:
    """Return the ids of the long messages on Kafka, in order."""
    return [one["id"] for one in environment.records("events") if LONG in ((one["message"] or {}).get("text") or "")]


def test_a_worker_killed_in_the_middle_of_a_long_history_leaves_only_the_rest_to_the_next(
    broker: str, tmp_path: Path
) -> None:
    environment = E2EEnvironment(broker, tmp_path).prepare()
    before: list[int] = []

    def killed_and_replaced() -> None:
        with environment.bridge() as first:
            wait_for(lambda: captured(first) > 0, 30, "nothing of the history is published", 0.01)
            first.kill()
        before.append(len(read_all(broker, environment.topic("events"))))
        bridge = stack.enter_context(environment.bridge())
        wait_for(lambda: captured(bridge) + before[0] > EVENTS, 30, "the history is not published")

    with ExitStack() as stack:
        server = stack.enter_context(environment.simulator(no_traffic=True))
        session_id = run_test(long_chat(server, EVENTS, killed_and_replaced), SECONDS)
        result = environment.finish(server)
    assert 0 < before[0] < EVENTS
    assert result.explained == []
    certificate = environment.certificates()[session_id]
    assert (certificate["verdict"], certificate["gaps"], certificate["rejoins"]) == ("COMPLETE", [], 0)


def test_other_chats_of_a_link_go_on_beside_a_long_history(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path, kafka__partitions=1)
    with environment.bridge() as bridge, environment.chats() as server:
        bridge.wait_ready()
        wait_for(lambda: all_joined(bridge, 10), 10, "the chats are not joined")

        def all_captured() -> None:
            bridge.send(signal.SIGCONT)
            wait_for(lambda: all_joined(bridge, 11) and captured(bridge) > BESIDE, 30, "the history is not published")

        # The bridge is stopped while the chat grows: what it then reads is one history.
        bridge.send(signal.SIGSTOP)
        session_id = run_test(long_chat(server, BESIDE, all_captured), SECONDS)
        assert bridge.metric("chatbridge_links_lost_total") == 0
        assert joins_and_leaves(server)["RequestRegister"] == 2  # the customer's and ours
        result = environment.finish(server)
    assert result.explained == []
    assert environment.certificates()[session_id]["verdict"] == "COMPLETE"


def test_a_history_beyond_the_set_size_is_refused_by_its_code_and_the_link_stays(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path, kafka__partitions=1, sources__chat_server__history_bytes=3 << 19)
    with environment.simulator(no_traffic=True) as server:

        def given_up() -> None:
            bridge.send(signal.SIGCONT)
            wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") == 1, 30, "the chat is not closed")
            assert bridge.metric("chatbridge_links_lost_total") == 0

        with environment.bridge() as bridge:
            bridge.wait_ready()
            bridge.send(signal.SIGSTOP)
            session_id = run_test(long_chat(server, BESIDE, given_up), SECONDS)
            server.terminate()
    certificate = environment.certificates()[session_id]
    assert (certificate["verdict"], certificate["reasons"]) == ("INCOMPLETE", [HISTORY_TOO_LONG])
    assert gap_codes(environment) == {HISTORY_TOO_LONG: 1}
    assert {one["code"] for one in environment.records("quarantine")} == {TOO_LONG}
    assert messages(environment) == []
