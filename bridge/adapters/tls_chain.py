"""Which certificates a server shows when a TLS connection is made to it, whoever has signed them.

Up to version 1.2 of TLS they are sent in clear (RFC 5246, 7.4.2), and even a server that wants a client certificate
sends its own first. So the handshake is made in that version, and read along; Python's ssl module gives the first
certificate only, and that is all that is had of a server that speaks nothing before TLS 1.3.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_READ_BYTES: Final = 64 * 1024
_MOST_BYTES: Final = 1 << 20
_RECORD_HEADER: Final = 5
_HANDSHAKE: Final = 22
_MESSAGE_HEADER: Final = 4
_CERTIFICATE: Final = 11
_LENGTH_BYTES: Final = 3


async def shown_chain(host: str, port: int) -> Sequence[bytes]:
    """Return the certificates in DER, the server's own first; only that one when the server wants TLS 1.3.

    Nothing is sent but handshakes. Raises OSError, of which ssl.SSLError is one, or EOFError when none is shown. The
    caller limits the time.
    """
    with contextlib.suppress(ssl.SSLError, EOFError):
        if found := await _Handshake(_context(ssl.TLSVersion.TLSv1_2), host).shown(port):
            return found
    return await _Handshake(_context(ssl.TLSVersion.TLSv1_3), host).shown(port)


def certificates_in(received: bytes) -> list[bytes]:
    """Return the certificates in the first Certificate message of a handshake in clear; empty when there is none."""
    messages, at = b"", 0
    while at + _RECORD_HEADER <= len(received):
        kind, size = received[at], int.from_bytes(received[at + 3 : at + _RECORD_HEADER])
        if kind != _HANDSHAKE:
            break
        messages += received[at + _RECORD_HEADER : at + _RECORD_HEADER + size]
        at += _RECORD_HEADER + size
    at = 0
    while at + _MESSAGE_HEADER <= len(messages):
        kind, size = messages[at], int.from_bytes(messages[at + 1 : at + _MESSAGE_HEADER])
        body = messages[at + _MESSAGE_HEADER : at + _MESSAGE_HEADER + size]
        if kind == _CERTIFICATE:
            return _listed(body[_LENGTH_BYTES:]) if len(body) == size else []
        at += _MESSAGE_HEADER + size
    return []


def _listed(certificates: bytes) -> list[bytes]:
    found, at = [], 0
    while at + _LENGTH_BYTES <= len(certificates):
        size = int.from_bytes(certificates[at : at + _LENGTH_BYTES])
        found.append(certificates[at + _LENGTH_BYTES : at + _LENGTH_BYTES + size])
        at += _LENGTH_BYTES + size
    return found


class _Handshake:
    """One handshake, whose incoming bytes are kept."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._host = host
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._received = b""

    async def shown(self, port: int) -> list[bytes]:
        reader, writer = await asyncio.open_connection(self._host, port)
        try:
            await self._run(reader, writer)
        except (OSError, EOFError):
            if found := certificates_in(self._received):  # it ended because no client certificate was shown
                return found
            raise
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        own = self._tls.getpeercert(binary_form=True)
        return certificates_in(self._received) or ([] if own is None else [own])

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            else:
                return
            finally:
                if self._outgoing.pending:
                    writer.write(self._outgoing.read())
                    await writer.drain()
            data = await reader.read(_READ_BYTES)
            if not data or len(self._received) > _MOST_BYTES:
                raise EOFError
            self._received += data
            self._incoming.write(data)


def _context(version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a context that accepts any certificate: it is looked at, and nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context
