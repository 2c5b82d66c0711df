"""Finds out why a Kafka cannot be used, by a connection of its own: TCP, TLS, a first request, authentication."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import ssl
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import SaslAuthenticationFailed
from aiokafka.protocol.admin import ApiVersionRequest, SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from bridge.adapters.kafka.connection_causes import Cause, ClientFacts, ConnectionOutcome, Stage, cause_of
from bridge.adapters.kafka.connection_codes import KAFKA_FILES_UNREADABLE
from bridge.addresses import split_address
from bridge.secret_files import reason_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aiokafka.protocol.api import RequestStruct

    _Result = TypeVar("_Result")

_OAUTHBEARER: Final = "OAUTHBEARER"
_STEP_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 1.0
_READ_BYTES: Final = 64 * 1024
_LONGEST_RESPONSE: Final = 1 << 20
_NO_CHECK_TIME: Final = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: accept a certificate although it has expired."""
_CONNECTION_ARGUMENTS: Final = frozenset(
    {
        "ssl_context",
        "security_protocol",
        "sasl_mechanism",
        "sasl_plain_username",
        "sasl_plain_password",
        "sasl_kerberos_service_name",
        "sasl_kerberos_domain_name",
        "sasl_oauth_token_provider",
    }
)
"""What of a client's arguments concerns a single connection."""


@dataclass(slots=True, frozen=True)
class ProbeSettings:
    """Whom to ask, and how clients connect. Both functions read files, and raise OSError or ValueError if that fails.

    `arguments` returns aiokafka's; `lenient_context` a TLS context like theirs that accepts any host name.
    """

    bootstrap_servers: str
    facts: ClientFacts
    arguments: Callable[[], Mapping[str, Any]]
    lenient_context: Callable[[], ssl.SSLContext]


class ConnectionProbe:
    """Connects to the bootstrap servers as a client does, and says what is wrong."""

    def __init__(self, settings: ProbeSettings) -> None:
        """Nothing connects before `cause`."""
        self._settings = settings

    async def cause(self) -> Cause | None:
        """Return why no bootstrap server can be used: of the first one, if all fail. None: at least one can be used.

        Takes some seconds at most.
        """
        causes = list((await self.causes()).values())
        return None if None in causes else causes[0]

    async def causes(self) -> Mapping[str, Cause | None]:
        """Return for each bootstrap server why it cannot be used, None when it can. Takes some seconds at most."""
        servers = [each.strip() for each in self._settings.bootstrap_servers.split(",")]
        try:
            arguments = self._settings.arguments()
        except (OSError, ValueError) as error:
            cause = Cause(
                KAFKA_FILES_UNREADABLE,
                f"a file of kafka.client cannot be used: {reason_of(error)}",
                "check the files that kafka.client names and their permissions",
            )
            return dict.fromkeys(servers, cause)
        outcomes = await asyncio.gather(*(self._outcome(*split_address(server), arguments) for server in servers))
        return {
            server: cause_of(outcome, self._settings.facts) for server, outcome in zip(servers, outcomes, strict=True)
        }

    async def _outcome(self, host: str, port: int, arguments: Mapping[str, Any]) -> ConnectionOutcome:
        outcome = await _Attempt(host, port, arguments.get("ssl_context"), self._settings.facts.mechanism).outcome()
        if outcome.error is None:
            if not self._settings.facts.sasl or self._settings.facts.mechanism not in outcome.mechanisms:
                return outcome
            return replace(outcome, error=await _authentication_error(host, port, arguments))
        if isinstance(outcome.error, ssl.SSLCertVerificationError):
            return replace(outcome, certificate=await self._certificate(host, port))
        if outcome.stage in {Stage.ENCRYPT, Stage.ANSWER} and not _is_alert(outcome.error):
            return replace(outcome, other_way=await self._answers_the_other_way(host, port))
        return outcome

    async def _certificate(self, host: str, port: int) -> Mapping[str, Any]:
        """Return the broker's certificate if it is signed by a known authority, whatever its name and its time."""
        with contextlib.suppress(OSError):
            context = self._settings.lenient_context()
            context.verify_flags |= _NO_CHECK_TIME
            async with _connected(host, port) as streams:
                channel = _TlsChannel(*streams, context, host)
                await channel.encrypt()
                return channel.certificate()
        return {}

    async def _answers_the_other_way(self, host: str, port: int) -> bool:
        """Return whether the port uses TLS if the clients do not, or answers without TLS if they use it."""
        try:
            async with _connected(host, port) as streams:
                if self._settings.facts.tls:
                    await _Channel(*streams).exchange(ApiVersionRequest().prepare({}))
                else:
                    await _TlsChannel(*streams, _unverified(), host).encrypt()
        except ssl.SSLError as error:
            return _is_alert(error)  # an answer in TLS
        except (OSError, EOFError, ValueError):
            return False
        return True


class _Attempt:
    """One connection up to the broker's list of SASL mechanisms."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, mechanism: str) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._mechanism = mechanism
        self._stage = Stage.RESOLVE

    async def outcome(self) -> ConnectionOutcome:
        error: Exception | None = None
        mechanisms: tuple[str, ...] = ()
        try:
            mechanisms = await self._mechanisms()
        except (OSError, EOFError, ValueError) as raised:  # UnicodeError is a ValueError: a host name that is none
            error = raised
        return ConnectionOutcome(self._host, self._port, self._stage, error, mechanisms=mechanisms)

    async def _mechanisms(self) -> tuple[str, ...]:
        async with asyncio.timeout(_STEP_SECONDS):
            await asyncio.get_running_loop().getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        self._stage = Stage.CONNECT
        async with _connected(self._host, self._port) as streams:
            channel = _Channel(*streams)
            if self._context is not None:
                self._stage = Stage.ENCRYPT
                channel = encrypted = _TlsChannel(*streams, self._context, self._host)
                await encrypted.encrypt()
            self._stage = Stage.ANSWER
            await channel.exchange(ApiVersionRequest().prepare({}))
            self._stage = Stage.AUTHENTICATE
            # A listener without SASL answers with an error and no mechanism.
            handshake = SaslHandShakeRequest(self._mechanism)
            response = await channel.exchange(handshake.prepare({handshake.API_KEY: (0, 1)}))
            return tuple(response.enabled_mechanisms)


class _Channel:
    """Requests of Kafka's protocol on a connection without TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def exchange(self, request: RequestStruct) -> Any:
        """Send a request; return its response. Raises OSError, EOFError or ValueError when there is none."""
        message = request.build_request_header(1, "chatbridge-probe").encode() + request.encode()
        async with asyncio.timeout(_STEP_SECONDS):
            await self._send(struct.pack(">i", len(message)) + message)
            (size,) = struct.unpack(">i", await self._receive(4))
            if not 0 < size < _LONGEST_RESPONSE:
                raise ValueError("not an answer of Kafka")
            body = io.BytesIO(await self._receive(size))
        request.parse_response_header(body)
        return request.RESPONSE_TYPE.decode(body)

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _receive(self, size: int) -> bytes:
        return await self._reader.readexactly(size)


class _TlsChannel(_Channel):
    """The same inside TLS, by the ssl module itself: uvloop's transports do not tell which alert ended a connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext, host: str
    ) -> None:
        super().__init__(reader, writer)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def encrypt(self) -> None:
        """Agree on TLS. Raises ssl.SSLError or another OSError."""
        async with asyncio.timeout(_STEP_SECONDS):
            await self._run(self._tls.do_handshake)

    def certificate(self) -> Mapping[str, Any]:
        """Return the broker's certificate, once the handshake has verified it."""
        return self._tls.getpeercert() or {}

    async def _send(self, data: bytes) -> None:
        await self._run(lambda: self._tls.write(data))

    async def _receive(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = await self._run(lambda: self._tls.read(size - len(found)))  # noqa: B023 - called here
            if not part:
                raise EOFError
            found += part
        return found

    async def _run(self, step: Callable[[], _Result]) -> _Result:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                pass
            finally:
                if self._outgoing.pending:
                    self._writer.write(self._outgoing.read())
                    await self._writer.drain()
            data = await self._reader.read(_READ_BYTES)
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()


@contextlib.asynccontextmanager
async def _connected(host: str, port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(_STEP_SECONDS):
        reader, writer = await _open(host, port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _open(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address of the host that answers; raise the error of the last one."""
    loop, last = asyncio.get_running_loop(), OSError()
    for _, _, _, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            return await asyncio.open_connection(str(address[0]), port)
        except OSError as error:
            last = error
    raise last


async def _authentication_error(host: str, port: int, arguments: Mapping[str, Any]) -> Exception | None:
    """Return what aiokafka raises when it authenticates; None when it succeeds."""
    known = {name: value for name, value in arguments.items() if name in _CONNECTION_ARGUMENTS}
    connection = AIOKafkaConnection(host, port, request_timeout_ms=int(_STEP_SECONDS * 1000), **known)
    try:
        await connection.connect()
        # A refused token is answered without an error code, which aiokafka takes for a success. The next request then
        # gets an answer without content, whatever it is.
        if known.get("sasl_mechanism") == _OAUTHBEARER and not (await connection.send(MetadataRequest([]))).brokers:
            raise SaslAuthenticationFailed  # noqa: TRY301 - named as if aiokafka had raised it
    except Exception as error:  # noqa: BLE001 - of whatever class: it is only named
        return error
    finally:
        await asyncio.wait([connection.close()], timeout=_CLOSE_SECONDS)
    return None


def _is_alert(error: Exception | None) -> bool:
    return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")


def _unverified() -> ssl.SSLContext:
    """Return a context that accepts any certificate: nothing is sent, it is only asked whether there is TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
