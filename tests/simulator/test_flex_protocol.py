from bridge.chatserver.messages import (
    ERROR,
    OVER,
    SUCCESS,
    RequestJoin,
    RequestLogin,
    RequestLogout,
    RequestNotify,
    RequestRefresh,
)
from bridge.simulator.harness.fault_injector import FaultInjector, fail_over
from bridge.simulator.model.model_settings import ModelSettings
from bridge.simulator.protocol.server import ChatServer, ServerSettings
from bridge.transcript.events import Item, MessageText, NoticeText, find
from tests.simulator.raw_client import TestClient, run_test, serving, until
from tests.simulator.simulator_harness import person


async def logged_in(client: TestClient) -> tuple[str, str]:
    status = await client.flex(RequestLogin("Visitor 1", 60, [Item("FirstName", value="Visitor")], 106, reference_id=1))
    assert status.request_result == SUCCESS
    assert status.user_id
    assert status.secure_key
    return status.user_id, status.secure_key


async def in_a_chat(client: TestClient) -> tuple[str, str, str]:
    user_id, key = await logged_in(client)
    status = await client.flex(
        RequestJoin(2, queue_key="Resources:default", user_id=user_id, secure_key=key, subject="x")
    )
    assert status.flex_transcript is not None
    assert [event.event_type for event in status.flex_transcript.events] == ["newParty"]
    return user_id, key, status.flex_transcript.session_id


def refresh(user_id: str, key: str, position: int = 0, text: str | None = None) -> RequestRefresh:
    return RequestRefresh(user_id, key, position, None if text is None else MessageText(text), reference_id=3)


def test_a_customer_logs_in_joins_polls_by_position_and_logs_out() -> None:
    async def steps() -> None:
        async with serving() as server:
            client = await TestClient.connect(server.port)
            user_id, key, session_id = await in_a_chat(client)
            status = await client.flex(refresh(user_id, key, 1, "hello"))
            assert status.flex_transcript is not None
            assert [event.event_id for event in status.flex_transcript.events] == [2]
            assert status.flex_transcript.last_position == 2
            quiet = await client.flex(refresh(user_id, key, 2))
            assert quiet.flex_transcript is not None
            assert quiet.flex_transcript.events == []
            notice = NoticeText("TYPING_STARTED", "he")
            noticed = await client.flex(
                RequestNotify(notice, user_id=user_id, secure_key=key, last_position=2, reference_id=4)
            )
            assert noticed.flex_transcript is not None
            assert noticed.flex_transcript.last_position == 3
            agent = await TestClient.monitor(server.port, user_type="AGENT")
            await agent.join(session_id, visibility="ALL")
            bye = await client.flex(RequestLogout(user_id, key, 3, reference_id=5))
            assert bye.session_status == OVER
            await until(lambda: agent.events(session_id)[-1].event_type == "partyLeft")
            left = agent.events(session_id)[-1]
            assert find(left.event_attributes, "GCTI_SYSTEM", "quit-reason-code") == "0"
            assert (await client.flex(refresh(user_id, key))).error_id == 8201

    run_test(steps())


def test_a_customer_is_shown_nothing_internal() -> None:
    async def steps() -> None:
        async with serving() as server:
            client = await TestClient.connect(server.port)
            user_id, key, session_id = await in_a_chat(client)
            coach = person("K", "SUPERVISOR", "INT")
            server.apply(server.sessions.join(session_id, coach, server.clock()))
            server.apply(
                server.sessions.send_message(session_id, "K", MessageText("psst"), server.clock(), visibility="INT")
            )
            status = await client.flex(refresh(user_id, key, 1))
            assert status.flex_transcript is not None
            assert status.flex_transcript.events == []

    run_test(steps())


def test_a_flex_client_needs_no_connection_of_its_own() -> None:
    async def steps() -> None:
        async with serving(ServerSettings(model=ModelSettings(register_timeout_seconds=0.2))) as server:
            first = await TestClient.connect(server.port)
            user_id, key, session_id = await in_a_chat(first)
            first.close()
            await until(lambda: not server.connections)
            assert session_id in server.sessions.by_id
            second = await TestClient.connect(server.port)
            assert (await second.flex(refresh(user_id, key, 0, "still here"))).request_result == SUCCESS

    run_test(steps())


def test_who_stops_polling_leaves_with_quit_reason_3_and_is_told_8209() -> None:
    async def steps() -> None:
        async with serving(ServerSettings(model=ModelSettings(flex_disconnect_seconds=0.5))) as server:
            client = await TestClient.connect(server.port)
            user_id, key, session_id = await in_a_chat(client)
            agent = await TestClient.monitor(server.port, user_type="AGENT")
            await agent.join(session_id, visibility="ALL")
            await until(lambda: agent.events(session_id)[-1].event_type == "partyLeft")
            left = agent.events(session_id)[-1]
            assert find(left.event_attributes, "GCTI_SYSTEM", "quit-reason-code") == "3"
            assert (await client.flex(refresh(user_id, key))).error_id == 8209

    run_test(steps())


def test_a_wrong_key_is_8210_and_costs_the_place_with_code_6() -> None:
    async def steps() -> None:
        async with serving() as server:
            client = await TestClient.connect(server.port)
            user_id, key, session_id = await in_a_chat(client)
            agent = await TestClient.monitor(server.port, user_type="AGENT")
            await agent.join(session_id, visibility="ALL")
            wrong = await client.flex(refresh(user_id, "0" * 16))
            assert (wrong.request_result, wrong.error_id) == (ERROR, 8210)
            await until(lambda: agent.events(session_id)[-1].event_type == "partyLeft")
            reason = agent.events(session_id)[-1].reason
            assert reason is not None
            assert reason.code == 6
            assert (await client.flex(refresh(user_id, key))).error_id == 8209

    run_test(steps())


def test_the_end_is_told_once_and_then_nobody_is_known() -> None:
    async def steps() -> None:
        async with serving() as server:
            client = await TestClient.connect(server.port)
            user_id, key, session_id = await in_a_chat(client)
            server.apply(server.sessions.stop(session_id, server.clock()))
            last = await client.flex(refresh(user_id, key, 1))
            assert last.session_status == OVER
            assert last.flex_transcript is not None
            assert [event.event_type for event in last.flex_transcript.events] == ["partyLeft"]
            assert (await client.flex(refresh(user_id, key, 2))).error_id == 8201

    run_test(steps())


def test_a_customer_keeps_his_key_across_a_restart() -> None:
    async def steps() -> None:
        async with serving() as server:
            client = await TestClient.connect(server.port)
            user_id, key, _ = await in_a_chat(client)
            await FaultInjector(server).restart()
            again = await TestClient.connect(server.port)
            status = await again.flex(refresh(user_id, key, 1, "still here"))
            assert status.request_result == SUCCESS
            assert status.flex_transcript is not None
            assert [event.event_id for event in status.flex_transcript.events] == [2]

    run_test(steps())


def test_a_customer_finds_the_chat_on_the_server_that_took_it_over() -> None:
    async def steps() -> None:
        async with serving() as heir:
            dead = ChatServer(ServerSettings(), seed=8)
            await dead.start()
            client = await TestClient.connect(dead.port)
            user_id, key, session_id = await in_a_chat(client)
            await fail_over(dead, heir)
            assert not dead.is_up
            assert session_id in heir.sessions.by_id
            moved = await TestClient.connect(heir.port)
            assert (await moved.flex(refresh(user_id, key, 1, "found you"))).request_result == SUCCESS

    run_test(steps())
