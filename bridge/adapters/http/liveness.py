"""Asks an HTTP listener of a worker whether its process works, as an orchestrator's liveness probe does."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

_PATH: Final = "/livez"
_ALIVE: Final = b"200"
_LONGEST_LINE: Final = 4096


async def is_live(host: str, port: int, *, tls: bool, seconds: float) -> str | None:
    """Return None when the worker that listens there says that it works, else what it answered, or why it did not.

    With `tls` the certificate is not verified: it is for the name that others use, and nothing secret is sent.
    """
    try:
        async with asyncio.timeout(seconds):
            status = await _status(host, port, _unverified() if tls else None)
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except (OSError, ValueError) as error:  # ValueError: a line that is too long
        return (error.strerror if isinstance(error, OSError) else None) or "no HTTP answer"
    if status == _ALIVE:
        return None
    return f"answered {status.decode('ascii', 'replace')}" if status.isdigit() else "no HTTP answer"


async def _status(host: str, port: int, context: ssl.SSLContext | None) -> bytes:
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=_LONGEST_LINE)
    try:
        address = f"[{host}]" if ":" in host else host
        writer.write(f"GET {_PATH} HTTP/1.1\r\nHost: {address}:{port}\r\nConnection: close\r\n\r\n".encode("ascii"))
        words = (await reader.readline()).split()
    finally:
        writer.transport.abort()  # the rest of the answer is not needed, and a peer that is silent is not waited for
    return words[1] if len(words) > 1 and words[0].startswith(b"HTTP/1.") else b""


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
