"""What becomes of a registration that is only a question, and that nothing else is ever sent."""

from __future__ import annotations

import asyncio
import json

import pytest

from bridge.chatserver.connection_settings import ConnectionSettings
from bridge.chatserver.psdk_json import client_wire
from bridge.sandbox.process import LOOPBACK, free_ports
from bridge.sources.chat_server.registration_probe import RegistrationOutcome, RegistrationStep, try_registration
from bridge.sources.chat_server.transport import TcpTransports

SECONDS = 0.3
Serve = "Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]"


async def outcome_at(address: str) -> RegistrationOutcome:
    settings = ConnectionSettings("bridge", "", address, register_timeout=SECONDS)
    return await try_registration(settings, TcpTransports(gateway=None, timeout=5, tls=None), client_wire())


def outcome_of(answer: bytes | None, *, close: bool = False) -> tuple[RegistrationOutcome, list[str]]:
    """Return the outcome with a server that answers so, and the lines that it received until the end."""
    received: list[str] = []

    async def ask() -> RegistrationOutcome:
        ended = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.append((await reader.readline()).decode())
            if answer is not None:
                writer.write(answer)
            if close:
                writer.close()
            try:
                received.extend(line.decode() for line in (await reader.read()).splitlines())
            except ConnectionResetError:
                pass
            finally:
                writer.close()
                ended.set()

        async with await asyncio.start_server(serve, LOOPBACK, 0) as server, asyncio.timeout(10):
            found = await outcome_at(f"{LOOPBACK}:{server.sockets[0].getsockname()[1]}")
            await ended.wait()
            return found

    return asyncio.run(ask()), received


def message(name: str, **fields: object) -> bytes:
    return json.dumps({"messageName": name, **fields}).encode() + b"\n"


def test_silence_a_closed_connection_and_an_answer_in_another_protocol_are_told_apart() -> None:
    silent, _ = outcome_of(None)
    assert (silent.step, type(silent.error)) == (RegistrationStep.ANSWER, TimeoutError)
    closed, _ = outcome_of(None, close=True)
    assert (closed.step, type(closed.error)) == (RegistrationStep.ANSWER, ConnectionResetError)
    other, _ = outcome_of(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert (other.step, other.unreadable) == (RegistrationStep.ANSWER, True)


def test_only_the_registration_is_sent() -> None:
    for answer in (None, b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        _, received = outcome_of(answer)
        assert len(received) == 1
        assert "RequestRegister" in received[0]
        assert "RequestJoin" not in received[0]


@pytest.mark.parametrize(
    ("address", "step"),
    [("no-such-host.invalid:4800", RegistrationStep.RESOLVE), (f"{LOOPBACK}:CLOSED", RegistrationStep.CONNECT)],
)
def test_a_server_that_cannot_be_reached_has_the_step_at_which_it_failed(address: str, step: RegistrationStep) -> None:
    [closed] = free_ports(1)
    assert asyncio.run(outcome_at(address.replace("CLOSED", str(closed)))).step is step
