"""TLS with Chat Servers that fails: each fault against a real socket, with uvloop and with asyncio's own loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.event_loop import EventLoop
from bridge.errors import Problem
from bridge.sandbox.process import LOOPBACK, free_ports
from bridge.sources.chat_server.connection_failures import ConnectionFailures
from bridge.sources.chat_server.link_facts import LinkLost
from bridge.sources.chat_server.transport import TcpTransports
from bridge.telemetry import Telemetry
from bridge.tls import RenewedContext, TlsFiles
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from pathlib import Path
    from typing import Any

    Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

LOOPS = pytest.mark.parametrize("loop", [EventLoop, asyncio.SelectorEventLoop], ids=["uvloop", "asyncio"])


class Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(exc)


@asynccontextmanager
async def listening(accept: Accept, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    accepting: set[asyncio.Task[None]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        accepting.add(task)
        with suppress(OSError):
            await accept(reader, writer)
            await writer.wait_closed()

    server = await asyncio.start_server(accepted, LOOPBACK, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*accepting)


FAILURES = ConnectionFailures(authority_file="/run/ca.pem")


async def outcome(port: int, tls: ssl.SSLContext, *, limit: float = 10.0, host: str = LOOPBACK) -> Problem:
    """Connect; return why that failed, or why the connection then ended."""
    client = Client()
    try:
        await TcpTransports(gateway=None, timeout=limit, tls=tls).connect(f"{host}:{port}", lambda: client)
    except OSError as error:
        return FAILURES.not_made(error)
    async with asyncio.timeout(10):
        return FAILURES.lost(await client.ended)


def client_context(authority: Authority | None) -> ssl.SSLContext:
    return RenewedContext(TlsFiles(ca=None if authority is None else str(authority.file)))


def server_context(authority: Authority, *, expired: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("server", expired=expired).store_file)
    return context


async def reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1000):
        pass
    writer.close()


async def talks_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b'{"messageName":"EventError"}\n')
    writer.close()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.transport.abort()


def run(loop: type[asyncio.AbstractEventLoop], scene: Callable[[], Coroutine[Any, Any, Problem]]) -> Problem:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(scene())


@LOOPS
@pytest.mark.parametrize(
    ("fault", "cause", "next_step"),
    [
        ("authority", "no authority in /run/ca.pem", "ca_file"),
        ("expired", "has expired", "renew"),
        ("name", "another host name", "announce a name"),
        ("plain", "does not use TLS", "tls.enabled"),
        ("silent", "does not answer the TLS handshake", "name the port"),
        ("hangs up", "during the TLS handshake", "name the port"),
    ],
)
def test_each_fault_has_the_code_and_a_sentence_of_its_own(
    fault: str, cause: str, next_step: str, loop: type[asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    context: ssl.SSLContext | None = server_context(authority, expired=fault == "expired")
    accept: Accept = {"plain": talks_plainly, "hangs up": hangs_up}.get(fault, reads)
    if fault in {"plain", "silent", "hangs up"}:
        context = None

    async def scene() -> Problem:
        async with listening(accept, context) as port:
            return await outcome(
                port,
                client_context(None if fault == "authority" else authority),
                limit=0.5 if fault == "silent" else 10.0,
                host="localhost" if fault == "name" else LOOPBACK,
            )

    problem = run(loop, scene)
    assert problem.code == "TLS", problem
    message, _, step = problem.detail.partition(" (")
    assert cause in message
    assert next_step in step


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_client_certificate_says_so_in_either_version(
    version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """In 1.3 it does after the client's handshake. The server is a blocking one: asyncio's sends no alert."""
    authority = Authority(tmp_path)
    context = server_context(authority)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    with socket.create_server((LOOPBACK, 0)) as server:

        def accept() -> None:
            with server.accept()[0] as one, pytest.raises(ssl.SSLError):
                context.wrap_socket(one, server_side=True)

        async def scene() -> Problem:
            accepting = asyncio.create_task(asyncio.to_thread(accept))
            problem = await outcome(server.getsockname()[1], client_context(authority))
            await accepting
            return problem

        problem = run(EventLoop, scene)
    assert problem.code == "TLS", problem
    assert "wants a client certificate" in problem.detail
    assert "sources.chat_server.tls.certificate_file" in problem.detail


@LOOPS
def test_a_refused_connection_is_no_failure_of_tls(loop: type[asyncio.AbstractEventLoop]) -> None:
    async def scene() -> Problem:
        return await outcome(free_ports(1)[0], client_context(None))

    problem = run(loop, scene)
    assert problem.code == "UNREACHABLE"
    assert problem.detail == "the server refuses the connection (check that the server runs, and the port)"


def test_a_failure_of_tls_is_counted_as_such() -> None:
    telemetry = Telemetry()
    problem = FAILURES.not_made(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"))
    telemetry.emit(LinkLost.of("chat-1:4800", problem, registered=False))
    assert 'chatbridge_links_lost_total{reason="tls"} 1.0' in telemetry.render().decode()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConnectionRefusedError(), "refuses the connection (check that the server runs, and the port)"),
        (TimeoutError(), "does not answer the attempt to connect (check the server, and firewalls on the way)"),
        (
            socket.gaierror(),
            "cannot be found: its name has no address (check the address in the announcement, and DNS)",
        ),
        (OSError(), "cannot be reached: OSError (check the address, and the network)"),
    ],
)
def test_what_fails_before_tls_is_a_sentence_on_what_was_connected_to(error: OSError, sentence: str) -> None:
    assert FAILURES.not_made(error) == Problem("UNREACHABLE", f"the server {sentence}")
    gateway = ConnectionFailures(gateway="gateway:443")
    assert gateway.not_made(error) == Problem("UNREACHABLE", f"the gateway gateway:443 {sentence}")


@pytest.mark.parametrize(
    ("tls", "answered", "hints"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_an_end_before_any_answer_may_be_about_the_certificate(tls: bool, answered: bool, hints: bool) -> None:
    for error in (None, ConnectionResetError()):
        problem = ConnectionFailures(tls=tls).lost(error, answered=answered)
        assert problem.code == ("CLOSED" if error is None else "RESET")
        assert ("client certificate" in problem.detail) is hints


def verification(code: int) -> ssl.SSLError:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "as OpenSSL says it"
    return error


def other(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError()
    if reason is not None:
        error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (verification(9), ("not valid yet", "clock")),
        (verification(23), ("as OpenSSL says it", "issued anew")),
        (verification(62), ("another host name", "sources.chat_server.gateway")),
        (verification(20), ("certificate store", "ca_file")),
        (other("SSLV3_ALERT_BAD_CERTIFICATE"), ("/run/own.pem", "who signed it")),
        (other("NO_CIPHERS_AVAILABLE"), ("NO_CIPHERS_AVAILABLE", "ciphers")),
        (other(None), ("SSLError", "ciphers")),
    ],
)
def test_errors_that_a_test_cannot_provoke_have_a_cause_and_a_next_step(
    error: ssl.SSLError, words: tuple[str, ...]
) -> None:
    failures = ConnectionFailures(gateway="gateway:443", certificate_file="/run/own.pem")
    problem = failures.not_made(error)
    assert (problem.code, failures.lost(error)) == ("TLS", problem)
    assert problem.detail.startswith("the gateway gateway:443 ")
    assert [word for word in words if word not in problem.detail] == []
