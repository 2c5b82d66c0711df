import asyncio
import json
from pathlib import Path

import pytest

from bridge.chatserver.messages import (
    FORCE_CLOSE,
    OVER,
    EventError,
    EventRegistered,
    EventSessionInfo,
    Ping,
    RequestJoin,
    RequestMessage,
    RequestNotify,
    RequestReleaseParty,
)
from bridge.simulator.harness.fault_injector import FaultInjector
from bridge.simulator.harness.journal import Journal
from bridge.simulator.model.model_settings import ModelSettings
from bridge.simulator.protocol.server import ChatServer, ServerSettings
from bridge.transcript.events import AGENT, Item, MessageText, NoticeText
from tests.simulator.raw_client import TestClient, open_chat, run_test, send_text, serving, until
from tests.simulator.simulator_harness import CHAT


def test_a_monitor_registers_joins_gets_the_history_the_pushes_and_the_end() -> None:
    async def steps() -> None:
        async with serving() as server:
            open_chat(server)
            monitor = await TestClient.monitor(server.port)
            registered = monitor.received[0]
            assert isinstance(registered, EventRegistered)
            assert registered.client_version == 106
            history = await monitor.join(CHAT)
            assert isinstance(history, EventSessionInfo)
            listed = history.chat_transcript.chat_event_list
            assert [event.event_type for event in listed] == ["newParty", "newParty"]
            assert listed[1].user_id == registered.user_id
            send_text(server)
            server.apply(server.sessions.stop(CHAT, server.clock()))
            await until(lambda: monitor.infos()[-1].session_status == OVER)
            assert [event.event_id for event in monitor.events(CHAT)] == [1, 2, 3, 4, 5]
            assert [info.reference_id for info in monitor.infos()] == [1, None, None]

    run_test(steps())


def test_the_negotiated_version_is_the_lower_one() -> None:
    async def steps() -> None:
        async with serving(ServerSettings(model=ModelSettings(client_version=104))) as server:
            monitor = await TestClient.monitor(server.port, version=106)
            assert isinstance(monitor.received[0], EventRegistered)
            assert monitor.received[0].client_version == 104

    run_test(steps())


def test_one_connection_follows_many_chats() -> None:
    async def steps() -> None:
        async with serving() as server:
            monitor = await TestClient.monitor(server.port)
            chats = [f"CHAT{number:012}" for number in range(50)]
            for chat in chats:
                open_chat(server, chat)
                await monitor.join(chat)
            for chat in chats:
                send_text(server, f"in {chat}", chat)
            await until(lambda: len(monitor.infos()) == 100)
            for chat in chats:
                said = [event.message_text.text for event in monitor.events(chat) if event.message_text]
                assert said == [f"in {chat}"]

    run_test(steps())


def test_who_never_registers_is_dropped() -> None:
    async def steps() -> None:
        async with serving(ServerSettings(model=ModelSettings(register_timeout_seconds=0.2))) as server:
            silent = await TestClient.connect(server.port)
            registered = await TestClient.monitor(server.port)
            await until(lambda: silent.ended)
            assert not registered.ended

    run_test(steps())


def test_joining_is_refused_for_what_does_not_exist_and_without_registration() -> None:
    async def steps() -> None:
        async with serving() as server:
            open_chat(server)
            stranger = await TestClient.connect(server.port)
            refused = await stranger.join(CHAT)
            assert isinstance(refused, EventError)
            monitor = await TestClient.monitor(server.port)
            unknown = await monitor.join("NOSUCHSESSION000")
            assert isinstance(unknown, EventError)
            assert unknown.error_id == 8201
            agent = await TestClient.monitor(server.port, user_type=AGENT)
            assert isinstance(await agent.join(CHAT, visibility="VIP"), EventError)

    run_test(steps())


def test_an_enforced_password_opens_the_session_to_who_has_it() -> None:
    async def steps() -> None:
        async with serving(ServerSettings(model=ModelSettings(passwords=True))) as server:
            open_chat(server)
            password = server.sessions.session(CHAT).password
            assert password is not None
            monitor = await TestClient.monitor(server.port)
            key = "GCTI_Chat_SessionPassword"
            assert isinstance(await monitor.join(CHAT), EventError)
            assert isinstance(await monitor.join(CHAT, Item(key, value="wrong")), EventError)
            assert isinstance(await monitor.join(CHAT, Item(key, value=password)), EventSessionInfo)

    run_test(steps())


def test_a_lost_connection_is_a_party_left_with_code_3_at_once() -> None:
    async def steps() -> None:
        async with serving() as server:
            open_chat(server)
            witness = await TestClient.monitor(server.port)
            await witness.join(CHAT)
            agent = await TestClient.monitor(server.port, user_type=AGENT)
            await agent.join(CHAT, visibility="ALL")
            agent.close()
            await until(lambda: witness.events(CHAT)[-1].event_type == "partyLeft")
            left = witness.events(CHAT)[-1]
            assert left.reason is not None
            assert left.reason.code == 3
            assert left.asker_id == left.user_id
            assert CHAT in server.sessions.by_id

    run_test(steps())


def test_an_agent_on_the_wire_talks_and_closes() -> None:
    async def steps() -> None:
        async with serving() as server:
            open_chat(server)
            agent = await TestClient.monitor(server.port, user_type=AGENT)
            await agent.join(CHAT, visibility="ALL")
            said = await agent.ask(RequestMessage(CHAT, MessageText("hi"), reference_id=11))
            assert isinstance(said, EventSessionInfo)  # the sender gets his own event back, as the answer
            noticed = await agent.ask(RequestNotify(NoticeText("USER_CUSTOM", "x"), CHAT, reference_id=12))
            assert isinstance(noticed, EventSessionInfo)
            closed = await agent.ask(RequestReleaseParty(CHAT, after_action=FORCE_CLOSE, reference_id=13))
            assert isinstance(closed, EventSessionInfo)
            assert closed.session_status == OVER
            assert CHAT not in server.sessions.by_id

    run_test(steps())


def test_a_session_can_be_started_on_the_wire() -> None:
    async def steps() -> None:
        async with serving() as server:
            agent = await TestClient.monitor(server.port, user_type=AGENT)
            answer = await agent.ask(RequestJoin(5, queue_key="Resources:default", visibility="ALL"))
            assert isinstance(answer, EventSessionInfo)
            assert list(server.sessions.by_id) == [answer.chat_transcript.session_id]

    run_test(steps())


def test_a_ping_is_answered() -> None:
    async def steps() -> None:
        async with serving() as server:
            client = await TestClient.monitor(server.port)
            client.say(Ping())
            await until(lambda: client.pongs() == 1)

    run_test(steps())


@pytest.mark.parametrize(
    "line", [b"{", b'{"messageName":"RequestJoin","visibility":7}', b"\xff\xfe", b'{"messageName":"X"}']
)
def test_a_line_that_is_no_request_is_answered_with_an_error(line: bytes) -> None:
    async def steps() -> None:
        async with serving() as server:
            client = await TestClient.monitor(server.port)
            client.send_raw(line + b"\n")
            await until(lambda: isinstance(client.received[-1], EventError))
            assert not client.ended

    run_test(steps())


def test_a_request_beyond_the_packet_limit_ends_the_connection() -> None:
    async def steps() -> None:
        async with serving() as server:
            client = await TestClient.monitor(server.port)
            client.send_raw(b'{"messageName":"Ping","x":"' + b"a" * 40_000 + b'"}\n')
            await until(lambda: client.ended)

    run_test(steps())


def test_a_client_that_does_not_read_is_cut() -> None:
    async def steps() -> None:
        journal = Journal()
        async with serving(ServerSettings(write_buffer_bytes=100_000), journal) as server:
            open_chat(server)
            reader = await TestClient.monitor(server.port)
            await reader.join(CHAT)
            sleeper = await TestClient.monitor(server.port)
            await sleeper.join(CHAT)
            assert sleeper.transport is not None
            sleeper.transport.pause_reading()
            while len(server.connections) == 2:
                send_text(server, "x" * 20_000)
                await asyncio.sleep(0)
            assert journal.dropped_connections == {"does not read": 1}
            assert not reader.ended

    run_test(steps())


def test_the_journal_says_what_was_asked_and_what_it_caused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"

    async def steps() -> None:
        journal = Journal(path)
        server = ChatServer(ServerSettings(), request_observer=journal)
        await server.start()
        open_chat(server)
        monitor = await TestClient.monitor(server.port)
        await monitor.join(CHAT, Item("GCTI_Chat_SessionPassword", value="secret-word"))
        assert FaultInjector(server).send_raw(b"secret-word") == 1
        monitor.close()
        await until(lambda: not server.connections)
        await server.stop()
        assert dict(journal.requests) == {"RequestRegister": 1, "RequestJoin": 1}
        assert dict(journal.caused) == {"newParty VIP": 1, "partyLeft VIP": 1}
        journal.close()

    run_test(steps())
    text = path.read_text()
    assert "secret-word" not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line.get("request") for line in lines] == ["RequestRegister", "RequestJoin", None, None]
    assert lines[1]["session_id"] == CHAT
    assert [line.get("raw") for line in lines] == [None, None, len("secret-word"), None]
