"""A port with TLS before a server without it, whose certificate and authorities can be replaced."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from bridge.sandbox.process import LOOPBACK
from tests.support.movable_address import SECONDS, MovableAddress

if TYPE_CHECKING:
    from tests.support.certificates import Authority, Issued


class TlsAddress(MovableAddress):
    """Wants a client certificate of the authority that has signed its own, unless it takes `anyone`.

    Connections stay when that is replaced.
    """

    def __init__(self, target: int, authority: Authority, *, anyone: bool = False, expired: bool = False) -> None:
        super().__init__(target)
        self._anyone = anyone
        self._context = self._context_of(authority, expired=expired)

    def replace(self, authority: Authority) -> None:
        """From now on, show a certificate of this authority and take clients with its certificates only."""
        self._context = self._context_of(authority)
        asyncio.run_coroutine_threadsafe(self._listen_again(), self._loop).result(SECONDS)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port, ssl=self._context)

    async def _listen_again(self) -> None:
        self._server.close()
        await self._listen()

    def _context_of(self, authority: Authority, *, expired: bool = False) -> ssl.SSLContext:
        issued: Issued = authority.issue("address", expired=expired)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.store_file)
        if not self._anyone:
            context.load_verify_locations(authority.file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context
