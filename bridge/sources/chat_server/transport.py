"""TCP and TLS connections to Chat Servers, or to the gateway that speaks for them."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from bridge.addresses import split_address

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


class TcpTransports:
    """Connects to the server that is asked for, or always to `gateway` when one is set."""

    def __init__(self, *, gateway: str | None, timeout: float, tls: ssl.SSLContext | None) -> None:
        """`timeout` in seconds covers name resolution, TCP and TLS together."""
        self._gateway = gateway
        self._timeout = timeout
        self._tls = tls

    async def connect(self, server: str, factory: Callable[[], asyncio.Protocol]) -> None:
        """Connect; raise OSError when that cannot be done in time."""
        host, port = split_address(self._gateway or server)
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.get_running_loop().create_connection(factory, host, port, ssl=self._tls)
        except TimeoutError as error:
            raise TimeoutError(f"no connection within {self._timeout:g} s") from error
        except UnicodeError as error:  # how Python refuses a name with an empty or overlong label
            raise socket.gaierror(socket.EAI_NONAME, "no host has such a name") from error
