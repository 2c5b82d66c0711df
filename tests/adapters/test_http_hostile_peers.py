"""The HTTP server and peers that say nothing, too little, too much, or do not read: what they hold is bounded."""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress

import pytest

from bridge.adapters.event_loop import EventLoop
from bridge.adapters.http.guarded_connections import HttpLimits, most_connections
from bridge.errors import Problem
from tests.adapters.http_peers import GET, Scene, answer_of, body_of, closed, play, post, until

LOOPS = pytest.mark.parametrize("make_loop", [EventLoop, asyncio.SelectorEventLoop])
SOON = 0.15


@LOOPS
@pytest.mark.parametrize("said", [b"", b"GET / HT", GET[:-2], GET], ids=["nothing", "line", "headers", "answered"])
def test_a_connection_without_a_next_request_is_closed(said: bytes, make_loop: type[asyncio.AbstractEventLoop]) -> None:
    async def act(scene: Scene) -> None:
        reader, _ = await scene.peer(said)
        await closed(reader)
        await until(lambda: scene.open == 0)

    play(act, make_loop, request_seconds=SOON)


@LOOPS
def test_headers_that_come_byte_by_byte_do_not_prolong_the_wait(make_loop: type[asyncio.AbstractEventLoop]) -> None:
    async def act(scene: Scene) -> None:
        reader, writer = await scene.peer(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        waiting = asyncio.ensure_future(closed(reader))
        while not waiting.done():
            writer.write(b"x")
            await asyncio.sleep(0.01)
        await waiting

    play(act, make_loop, request_seconds=SOON)


@LOOPS
def test_a_body_that_comes_byte_by_byte_is_given_up(make_loop: type[asyncio.AbstractEventLoop]) -> None:
    async def act(scene: Scene) -> None:
        reader, writer = await scene.peer(post(b"[", more=1000))
        waiting = asyncio.ensure_future(answer_of(reader))
        while not waiting.done():
            writer.write(b" ")
            await asyncio.sleep(0.01)
        assert (await waiting)[0] == 408

    play(act, make_loop, body_seconds=SOON)


@LOOPS
def test_a_prober_is_answered_while_silent_connections_occupy_the_limit(
    make_loop: type[asyncio.AbstractEventLoop],
) -> None:
    async def act(scene: Scene) -> None:
        peers = [await scene.peer() for _ in range(5)]
        await until(lambda: scene.open == 5)
        assert await scene.probe("/livez") == 200
        await closed(peers[0][0])  # the oldest
        scene.bridge.reasons = [Problem("KAFKA_UNAVAILABLE", "Kafka does not answer")]
        assert await scene.probe("/readyz") == 503
        for reader, writer in peers[1:]:  # the others are served as before
            writer.write(GET)
            assert (await answer_of(reader))[0] == 200

    play(act, make_loop, connections=5)


@LOOPS
def test_more_connections_than_descriptors_leave_descriptors_for_others(
    make_loop: type[asyncio.AbstractEventLoop],
) -> None:
    async def act(scene: Scene) -> None:
        for number in range(300):
            await scene.peer(GET[: number % len(GET)])
            assert scene.open <= 8 + 1 + 64  # the limit, and what is being closed in the same turn
        await until(lambda: scene.open <= 8)
        assert await scene.probe() == 200

    play(act, make_loop, connections=8)


def test_a_request_that_is_being_answered_is_not_closed_for_idle_ones() -> None:
    async def act(scene: Scene) -> None:
        reader, _ = await scene.peer(post(body_of(100)))
        await until(lambda: len(scene.bridge.announced) == 1)
        for _ in range(20):
            await scene.peer()
            assert await scene.probe() == 200
        scene.bridge.written.set()
        assert (await answer_of(reader))[0] == 202

    play(act, connections=3)


def test_a_prober_is_answered_while_unfinished_requests_occupy_the_limit() -> None:
    async def act(scene: Scene) -> None:
        for _ in range(4):
            await scene.peer(post(b"[", more=1000))
        await until(lambda: scene.open == 4 and scene.held > 0)
        for _ in range(4):
            assert await scene.probe() == 200

    play(act, connections=4)


@LOOPS
def test_a_client_that_does_not_wait_for_answers_gets_one(make_loop: type[asyncio.AbstractEventLoop]) -> None:
    async def act(scene: Scene) -> None:
        reader, _ = await scene.peer(GET * 5000)
        status, headers, _ = await answer_of(reader)
        assert (status, headers["connection"]) == (200, "close")
        await closed(reader)
        await until(lambda: (scene.open, scene.held) == (0, 0))

    play(act, make_loop)


def test_requests_one_after_the_other_share_a_connection_and_hold_nothing() -> None:
    async def act(scene: Scene) -> None:
        scene.bridge.written.set()
        reader, writer = await scene.peer()
        for _ in range(20):
            for request, status in ((GET, 200), (post(body_of(3000)), 202), (post(b"{"), 400)):
                writer.write(request)
                got, headers, _ = await answer_of(reader)
                assert (got, headers.get("connection")) == (status, None)
                assert scene.held == 0

    play(act)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: x\r\n" * 1000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["line", "field", "fields", "TLS"],
)
def test_large_or_foreign_headers_are_refused_and_the_connection_closed(request_: bytes) -> None:
    async def act(scene: Scene) -> None:
        reader, _ = await scene.peer(request_)
        assert (await answer_of(reader))[0] == 400
        await closed(reader)
        await until(lambda: (scene.open, scene.held) == (0, 0))

    play(act)


@LOOPS
def test_a_client_that_does_not_read_its_answer_is_closed(make_loop: type[asyncio.AbstractEventLoop]) -> None:
    async def act(scene: Scene) -> None:
        scene.bridge.text = b"x" * (32 << 20)
        await scene.peer(GET.replace(b"/livez", b"/metrics"))
        await until(lambda: scene.open == 1)
        await until(lambda: scene.open == 0)

    play(act, make_loop, send_seconds=SOON, request_seconds=60)


@LOOPS
def test_a_large_answer_is_sent_whole_to_a_client_that_reads(make_loop: type[asyncio.AbstractEventLoop]) -> None:
    async def act(scene: Scene) -> None:
        scene.bridge.text = b"x" * (32 << 20)
        reader, writer = await scene.peer()
        for _ in range(2):
            writer.write(GET.replace(b"/livez", b"/metrics"))
            assert len((await answer_of(reader))[2]) == 32 << 20

    play(act, make_loop)


@LOOPS
def test_a_stop_does_not_wait_for_a_client_that_does_not_read(make_loop: type[asyncio.AbstractEventLoop]) -> None:
    async def act(scene: Scene) -> None:
        scene.bridge.text = b"x" * (32 << 20)
        await scene.peer(GET.replace(b"/livez", b"/metrics"))
        await until(lambda: scene.open == 1)

    play(act, make_loop, send_seconds=3600)


def test_bodies_are_refused_while_those_of_others_are_held() -> None:
    async def act(scene: Scene) -> None:
        first, writer = await scene.peer(post(body_of(40_000), more=1))
        await until(lambda: scene.held > 40_000)
        status, headers, _ = await answer_of((await scene.peer(post(body_of(30_000))))[0])
        assert (status, headers["retry-after"]) == (503, "1")
        assert await scene.probe() == 200
        scene.bridge.written.set()
        writer.write(b" ")
        assert (await answer_of(first))[0] == 202
        assert (await answer_of((await scene.peer(post(body_of(30_000))))[0]))[0] == 202

    play(act, held_bytes=100_000)


def test_what_a_request_holds_counts_until_it_is_answered_even_if_its_client_is_gone() -> None:
    async def act(scene: Scene) -> None:
        _, writer = await scene.peer(post(body_of(40_000)))
        await until(lambda: len(scene.bridge.announced) == 1)
        writer.transport.abort()
        await until(lambda: scene.open == 0)
        assert (await answer_of((await scene.peer(post(body_of(30_000))))[0]))[0] == 503
        scene.bridge.written.set()
        await until(lambda: scene.held == 0)

    play(act, held_bytes=100_000)


@LOOPS
def test_a_client_that_sends_on_while_its_request_is_answered_is_closed_at_the_limit(
    make_loop: type[asyncio.AbstractEventLoop],
) -> None:
    async def act(scene: Scene) -> None:
        reader, writer = await scene.peer(post(body_of(1000)))
        await until(lambda: len(scene.bridge.announced) == 1)
        other, _ = await scene.peer(post(body_of(1000)))
        await until(lambda: len(scene.bridge.announced) == 2)
        large = GET.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 8000 + b"\r\n\r\n")  # 32 of them are kept by aiohttp
        while not reader.at_eof() and reader.exception() is None:
            with suppress(ConnectionError):
                writer.write(large)
            assert scene.held <= 100_000 + (256 << 10)  # the limit, and what one read may return
            await asyncio.sleep(0)
        scene.bridge.written.set()
        assert (await answer_of(other))[0] == 202  # the one that holds less

    play(act, make_loop, held_bytes=100_000)


def test_most_descriptors_are_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for descriptors, most in ((1024, 64), (100, 25), (2, 1), (resource.RLIM_INFINITY, 64)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=descriptors: (soft, -1))
        assert most_connections(HttpLimits()) == most
