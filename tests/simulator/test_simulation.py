"""Server, traffic and ledger together, with a monitor in every chat, compared with the ledger."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import pytest
from aiohttp import web

from bridge.announcement import Announcement, parse
from bridge.archive import ucs_xml
from bridge.chatserver.messages import NO_SUCH_USER, OVER, EventError, EventSessionInfo
from bridge.errors import UsageError
from bridge.simulator.harness.ledger import read_ledger, visible_to_monitor
from bridge.simulator.main import SimulatorOptions, run_simulator
from bridge.transcript.events import Item
from tests.simulator.raw_client import TestClient, run_test, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

FAST: dict[str, Any] = {"think_scale": 0.01, "seed": 11, "finish_seconds": 15.0}


class EventCollector:
    """A fake bridge: receives announcements over HTTP and has one monitor join every chat."""

    def __init__(self, first_answers: tuple[int, ...] = ()) -> None:
        self.announced: list[Announcement] = []
        self.refused: dict[str, int] = {}
        self.monitor: TestClient | None = None
        self.url = ""
        self._first_answers = list(first_answers)
        self._lock = asyncio.Lock()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/sessions", self._announce)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _announce(self, request: web.Request) -> web.Response:
        if self._first_answers:
            return web.Response(status=self._first_answers.pop(0))
        announcement = parse(await request.read())
        self.announced.append(announcement)
        async with self._lock:
            if self.monitor is None or self.monitor.ended:
                self.monitor = await TestClient.monitor(announcement.port)
            data = [Item("GCTI_Chat_SessionPassword", value=announcement.password)] if announcement.password else []
            try:
                answer = await self.monitor.join(announcement.session_id, *data)
            except ConnectionResetError:
                return web.Response(status=503)
        if isinstance(answer, EventError):
            self.refused[announcement.session_id] = answer.error_id
        return web.Response(status=202)


def test_what_a_monitor_received_is_what_the_ledger_says_it_may_see(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"

    async def steps() -> EventCollector:
        async with EventCollector() as follower:
            options = SimulatorOptions(
                chats=40,
                concurrent_chats=15,
                announce_url=follower.url,
                ledger=ledger,
                passwords=True,
                think_scale=0.03,
                seed=11,
            )
            summary = await run_simulator(options, stop=asyncio.Event())
            assert summary.chats_started == summary.chats_finished == summary.announced == 40
            assert set(summary.requests) == {"RequestRegister", "RequestJoin"}
            assert set(summary.caused) == {"newParty VIP"}
            assert summary.dropped_connections == {}
        return follower

    follower = run_test(steps())
    chats = read_ledger(ledger)
    assert len(chats) == 40
    assert follower.monitor is not None
    # A chat may be over before its announcement arrives; nothing but that may keep the monitor out.
    assert set(follower.refused.values()) <= {NO_SUCH_USER}
    assert len(follower.refused) < 20
    for session_id, chat in chats.items():
        assert chat.closed
        if session_id in follower.refused:
            continue
        expected = [event for event in chat.events if visible_to_monitor(event)]
        assert follower.monitor.events(session_id) == expected
    overs = [info for info in follower.monitor.infos() if info.session_status == OVER]
    assert len(overs) == 40 - len(follower.refused)


@pytest.mark.parametrize("rate", [500, 2000])
def test_the_event_rate_holds(rate: int) -> None:
    options = SimulatorOptions(events_per_second=rate, duration_seconds=2.0, finish_seconds=0.0, seed=1)
    summary = run_test(run_simulator(options, stop=asyncio.Event()))
    assert summary.events == pytest.approx(2 * rate, rel=0.1)


def test_the_rate_of_chats_holds() -> None:
    options = SimulatorOptions(chats_per_second=100, duration_seconds=2.0, finish_seconds=0.0, seed=1)
    summary = run_test(run_simulator(options, stop=asyncio.Event()))
    assert summary.chats_started == 201  # however late the event loop is: one at the beginning, too


def test_a_stop_starts_no_more_chats_and_lets_those_that_run_end(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"

    async def steps() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(
            run_simulator(SimulatorOptions(concurrent_chats=10, ledger=ledger, **FAST), stop=stop)
        )
        await until(lambda: ledger.exists() and ledger.stat().st_size > 0)
        stop.set()
        summary = await running
        assert summary.chats_started == summary.chats_finished

    run_test(steps())
    assert all(chat.closed for chat in read_ledger(ledger).values())


def test_chats_that_do_not_end_in_time_are_stopped(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    options = SimulatorOptions(chats=5, think_scale=60.0, finish_seconds=0.3, seed=4, ledger=ledger)
    summary = run_test(run_simulator(options, stop=asyncio.Event()))
    assert summary.seconds < 5
    chats = read_ledger(ledger).values()
    assert all(chat.closed for chat in chats)
    assert {chat.events[-1].reason.code for chat in chats if chat.events[-1].reason} == {5}


def test_announcing_goes_on_until_it_is_taken() -> None:
    async def steps() -> None:
        async with EventCollector(first_answers=(503, 429, 500)) as follower:
            options = SimulatorOptions(chats=3, announce_url=follower.url, tenant="Shop", **FAST)
            summary = await run_simulator(options, stop=asyncio.Event())
            assert summary.announced == 3
            announcement = follower.announced[0]
            assert (announcement.host, announcement.tenant) == ("127.0.0.1", "Shop")
            assert f"{announcement.host}:{announcement.port}" == summary.listening
            assert announcement.user_data["MediaType"] == "chat"

    run_test(steps())


def test_a_bad_request_is_not_announced_again() -> None:
    async def steps() -> None:
        async with EventCollector(first_answers=(400, 400)) as follower:
            summary = await run_simulator(
                SimulatorOptions(chats=2, announce_url=follower.url, **FAST), stop=asyncio.Event()
            )
            assert summary.announced == 0
            assert follower.announced == []

    run_test(steps())


TRANSCRIPT = b"""<?xml version="1.0"?>
<chatTranscript startAt="2031-03-05T08:00:00Z" sessionId="0000SIMREPLAY001">
  <newParty userId="00C3000000000001" timeShift="0" visibility="ALL" eventId="1"><userInfo personId=""
   userNick="Visitor 3" userType="CLIENT" protocolType="FLEX" timeZoneOffset="0" clientVersion="106"/>
    <userData><item key="priority" type="int">-3</item><item key="untyped">legacy</item></userData></newParty>
  <message userId="00C3000000000001" timeShift="100" visibility="ALL" eventId="40">
    <msgText>still here</msgText></message>
  <partyLeft userId="00C3000000000001" timeShift="300" visibility="ALL" eventId="46"
   askerId="00C3000000000001"><reason>left</reason></partyLeft>
</chatTranscript>
"""


def test_a_replayed_transcript_keeps_ids_users_and_attributes(tmp_path: Path) -> None:
    (tmp_path / "one.xml").write_bytes(TRANSCRIPT)
    ledger = tmp_path / "ledger.jsonl"
    options = SimulatorOptions(replay_folder=tmp_path, speed=100.0, ledger=ledger)
    summary = run_test(run_simulator(options, stop=asyncio.Event()))
    assert summary.chats_finished == 1
    assert 2.9 < summary.seconds < 6
    stored = ucs_xml.read(TRANSCRIPT, "one.xml").transcript.chat_event_list
    replayed = read_ledger(ledger)["0000SIMREPLAY001"]
    assert replayed.closed
    assert [event.time_shift for event in replayed.events] == [0, 1, 3]
    for before, after in zip(stored, replayed.events, strict=True):
        assert (after.event_id, after.user_id, after.user_info) == (before.event_id, before.user_id, before.user_info)
        assert (after.user_data, after.message_text, after.reason) == (
            before.user_data,
            before.message_text,
            before.reason,
        )


def test_rounds_of_a_replay_are_different_chats(tmp_path: Path) -> None:
    (tmp_path / "one.xml").write_bytes(TRANSCRIPT)
    ledger = tmp_path / "ledger.jsonl"
    options = SimulatorOptions(replay_folder=tmp_path, speed=10_000.0, ledger=ledger, chats=3, seed=1)
    assert run_test(run_simulator(options, stop=asyncio.Event())).chats_finished == 3
    assert len(read_ledger(ledger)) == 3


def test_a_folder_without_transcripts_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no XML file"):
        run_test(run_simulator(SimulatorOptions(replay_folder=tmp_path), stop=asyncio.Event()))


async def steered(
    options: SimulatorOptions,
    steps: Callable[[aiohttp.ClientSession, dict[str, str]], Awaitable[None]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Run a simulation that prints where it listens, and steps that control it over HTTP."""
    stop = asyncio.Event()
    running = asyncio.create_task(run_simulator(options, stop=stop))
    printed: list[str] = []

    def has_printed() -> bool:
        printed.append(capsys.readouterr().out)
        return bool(printed[-1])

    await until(has_printed)
    listening = json.loads(printed[-1])
    async with aiohttp.ClientSession(f"http://{listening['control']}") as http:
        await steps(http, listening)
    stop.set()
    await running


def test_another_process_can_steer_the_simulator(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"

    async def steps(http: aiohttp.ClientSession, listening: dict[str, str]) -> None:
        port = int(listening["listening"].rpartition(":")[2])
        monitor = await TestClient.monitor(port)
        sessions: list[dict[str, Any]] = []
        while len(sessions) < 5:
            sessions = await (await http.get("/sessions")).json()
        await monitor.join(sessions[0]["sessionId"])
        stats = await (await http.get("/stats")).json()
        assert stats["requests"] == {"RequestRegister": 1, "RequestJoin": 1}
        assert (await http.post("/faults/nothing")).status == 404
        assert (await http.post("/faults/refuse", json={"request": 7})).status == 400
        assert (await http.post("/faults/send-raw", json={"text": "{\n"})).status == 200
        await until(lambda: bool(monitor.wire_errors))
        restarted = await http.post("/faults/restart", json={"loseLast": 2, "continueIds": False})
        assert (await restarted.json())["sessions"] >= 5
        await until(lambda: monitor.ended)
        assert (await http.post("/stop-traffic")).status == 200

    options = SimulatorOptions(
        concurrent_chats=5, control_port=0, print_listening=True, ledger=ledger, think_scale=0.1, finish_seconds=0.5
    )
    run_test(steered(options, steps, capsys))
    chats = read_ledger(ledger).values()
    assert all(chat.closed for chat in chats)
    assert any(chat.restorations for chat in chats)
    assert any(chat.lost for chat in chats)


def test_chats_go_on_at_the_standby_after_a_fail_over(capsys: pytest.CaptureFixture[str]) -> None:
    async def steps() -> None:
        async with EventCollector() as follower:
            options = SimulatorOptions(
                concurrent_chats=5,
                control_port=0,
                print_listening=True,
                standby=True,
                think_scale=0.1,
                finish_seconds=0.5,
                announce_url=follower.url,
            )
            await steered(options, lambda http, listening: fail_over(http, listening, follower), capsys)

    async def fail_over(http: aiohttp.ClientSession, listening: dict[str, str], follower: EventCollector) -> None:
        await until(lambda: len(follower.announced) >= 5)
        assert follower.announced[0].servers == [listening["standby"]]
        moved = await (await http.post("/faults/fail-over", json={})).json()
        assert moved["listening"] == listening["standby"]
        assert follower.monitor is not None
        await until(lambda: follower.monitor is not None and follower.monitor.ended)
        port = int(moved["listening"].rpartition(":")[2])
        await until(lambda: any(one.port == port for one in follower.announced))
        monitor = await TestClient.monitor(port)
        for alive in await (await http.get("/sessions")).json():
            await monitor.join(alive["sessionId"])  # some may be over by now
        pushed: list[EventSessionInfo] = []

        def somebody_speaks() -> bool:
            pushed[:] = [info for info in monitor.infos() if info.reference_id is None]
            return any(event.message_text for info in pushed for event in info.chat_transcript.chat_event_list)

        await until(somebody_speaks)
        assert (await http.post("/faults/fail-over", json={})).status == 409

    run_test(steps())
