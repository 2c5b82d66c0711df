"""TCP and TLS connections to Chat Servers, or to the gateway that speaks for them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any, Self

from bridge.addresses import split_address
from bridge.sources.chat_server.connection_failures import HandshakeCut

if TYPE_CHECKING:
    from collections.abc import Callable


class TcpTransports:
    """Connects to the server that is asked for, or always to `gateway` when one is set."""

    def __init__(self, *, gateway: str | None, timeout: float, tls: ssl.SSLContext | None) -> None:
        """`timeout` in seconds covers name resolution, TCP and TLS together."""
        self._gateway = gateway
        self._timeout = timeout
        self._tls = tls

    async def connect(self, server: str, factory: Callable[[], asyncio.Protocol]) -> None:
        """Connect; raise OSError when that cannot be done in time, ssl.SSLError (which is one) when TLS fails."""
        host, port = split_address(self._gateway or server)
        tls = None if self._tls is None else _OneHandshake(self._tls)
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.get_running_loop().create_connection(factory, host, port, ssl=tls)
        except TimeoutError as error:
            if tls is not None and tls.begun:
                raise HandshakeCut("does not answer the TLS handshake") from error
            raise TimeoutError(f"no connection within {self._timeout:g} s") from error
        except ConnectionError as error:
            if tls is not None and tls.begun:
                raise HandshakeCut("closes the connection during the TLS handshake") from error
            raise
        except UnicodeError as error:  # how Python refuses a name with an empty or overlong label
            raise socket.gaierror(socket.EAI_NONAME, "no host has such a name") from error


class _OneHandshake(ssl.SSLContext):
    """The context of one connection. `begun`: TCP is connected, and what fails after that is TLS.

    It is a context by type only: asyncio and uvloop ask it for the TLS side of the connection, and for nothing else.
    """

    def __new__(cls, context: ssl.SSLContext) -> Self:
        """See `__init__`."""
        del context
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, context: ssl.SSLContext) -> None:
        """`context` gives the TLS side."""
        self._context = context
        self.begun = False

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Return the TLS side of the connection."""
        self.begun = True
        return self._context.wrap_bio(*args, **kwargs)
