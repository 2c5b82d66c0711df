"""Injected faults as a client on a socket sees them."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from bridge.chatserver.messages import (
    EventError,
    EventRegistered,
    EventSessionInfo,
    Ping,
)
from bridge.simulator.harness.fault_injector import FaultInjector
from bridge.simulator.model.restoration import RestorePlan
from tests.simulator.raw_client import TestClient, open_chat, run_test, send_text, serving, until
from tests.simulator.simulator_harness import CHAT


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_dropped_connections_end_with_a_reset_or_in_order(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def steps() -> None:
        async with serving() as server:
            for reset in (True, False):
                client = await TestClient.monitor(server.port)
                assert FaultInjector(server).drop(reset=reset) == 1
                await until(lambda: client.ended)  # noqa: B023 - called here
                assert isinstance(client.end_error, ConnectionResetError) is reset

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(steps(), 20))


def test_a_server_that_plays_dead_keeps_sockets_open_and_says_nothing() -> None:
    async def steps() -> None:
        async with serving() as server:
            before = await TestClient.monitor(server.port)
            faults = FaultInjector(server)
            faults.stop_responding()
            after = await TestClient.connect(server.port)
            before.say(Ping())
            after.say(Ping())
            await asyncio.sleep(0.1)  # absence cannot be waited for
            assert (before.pongs(), after.pongs(), before.ended, after.ended) == (0, 0, False, False)
            faults.heal()
            await until(lambda: before.ended and after.ended)
            healed = await TestClient.monitor(server.port)
            assert isinstance(healed.received[0], EventRegistered)

    run_test(steps())


def test_requests_are_refused_with_the_error_that_was_asked_for() -> None:
    async def steps() -> None:
        async with serving() as server:
            open_chat(server)
            FaultInjector(server).refuse("RequestJoin", 8209)
            monitor = await TestClient.monitor(server.port)
            refused = await monitor.join(CHAT)
            assert isinstance(refused, EventError)
            assert refused.error_id == 8209
            FaultInjector(server).heal()
            assert isinstance(await monitor.join(CHAT), EventSessionInfo)

    run_test(steps())


def test_answers_can_be_late_and_stay_in_order() -> None:
    async def steps() -> None:
        async with serving() as server:
            open_chat(server)
            monitor = await TestClient.monitor(server.port)
            FaultInjector(server).delay_answers(0.2)
            begun = server.clock()
            await monitor.join(CHAT)
            assert server.clock() - begun >= 0.2
            for number in range(20):
                send_text(server, str(number))
            await until(lambda: len(monitor.events(CHAT)) == 22)
            texts = [event.message_text.text for event in monitor.events(CHAT) if event.message_text]
            assert texts == [str(number) for number in range(20)]

    run_test(steps())


def test_raw_bytes_reach_the_client_as_they_are() -> None:
    async def steps() -> None:
        async with serving() as server:
            monitor = await TestClient.monitor(server.port)
            FaultInjector(server).send_raw(b'{"messageName":\n\xff\xff\n')
            await until(lambda: len(monitor.wire_errors) == 2)
            assert not monitor.ended

    run_test(steps())


def test_a_restart_resets_everybody_and_the_chat_goes_on() -> None:
    async def steps() -> None:
        async with serving() as server:
            open_chat(server)
            monitor = await TestClient.monitor(server.port)
            await monitor.join(CHAT)
            send_text(server)
            port = server.port
            await FaultInjector(server).restart(RestorePlan(lose_last=1, continue_ids=False))
            await until(lambda: monitor.ended)
            assert server.port == port
            again = await TestClient.monitor(port)
            history = await again.join(CHAT)
            assert isinstance(history, EventSessionInfo)
            listed = [(event.event_id, event.event_type) for event in history.chat_transcript.chat_event_list]
            assert listed == [(1, "newParty"), (2, "newParty"), (3, "partyLeft"), (4, "newParty")]

    run_test(steps())


def test_supervisors_are_logged_out_with_errors_that_name_their_sessions_or_none() -> None:
    async def steps() -> None:
        async with serving() as server:
            open_chat(server)
            monitor = await TestClient.monitor(server.port)
            for named in (True, False):
                await monitor.join(CHAT)
                parties = len(server.sessions.by_id[CHAT].parties)
                assert FaultInjector(server).log_out(8209, named=named) == 1
                assert len(server.sessions.by_id[CHAT].parties) == parties - 1
                await until(lambda: isinstance(monitor.received[-1], EventError))
                error = monitor.received[-1]
                assert isinstance(error, EventError)
                assert (error.error_id, error.reference_id) == (8209, None)
                assert error.session_id == (CHAT if named else None)
            assert FaultInjector(server).log_out(8209, named=True) == 0

    run_test(steps())


def test_supervisors_that_are_removed_are_told_by_their_departure() -> None:
    async def steps() -> None:
        async with serving() as server:
            open_chat(server)
            monitor = await TestClient.monitor(server.port)
            await monitor.join(CHAT)
            registered = monitor.received[0]
            assert isinstance(registered, EventRegistered)
            answers = len(monitor.received)
            assert FaultInjector(server).remove_supervisors() == 1
            await until(lambda: len(monitor.received) > answers)
            pushed = monitor.received[-1]
            assert isinstance(pushed, EventSessionInfo)
            [event] = pushed.chat_transcript.chat_event_list
            assert (event.event_type, event.user_id, pushed.session_status) == (
                "partyLeft",
                registered.user_id,
                "Alive",
            )

    run_test(steps())


def test_a_server_can_answer_each_join_and_drop() -> None:
    async def steps() -> None:
        async with serving() as server:
            open_chat(server)
            FaultInjector(server).drop_after_joins(0.01)
            for _ in range(2):
                monitor = await TestClient.monitor(server.port)
                assert isinstance(await monitor.join(CHAT), EventSessionInfo)
                await until(lambda: monitor.ended)  # noqa: B023 - called here
            FaultInjector(server).heal()
            assert server.faults.drop_after_join_seconds is None

    run_test(steps())
