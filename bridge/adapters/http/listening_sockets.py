"""Opens the sockets of a listener: of one address, or of every address of this machine in both families."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Final

EVERYWHERE: Final = "*"
_BACKLOG: Final = 64
"""Connections that the kernel keeps until they are accepted; all of them may be accepted in one turn of the loop."""
_WITHOUT_FAMILY: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


async def listening_sockets(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen, all on the same port; port 0 selects a free one.

    For `*`, a machine without IPv4 or without IPv6 gives one. Raises OSError when there is none.
    """
    if host == EVERYWHERE:
        places = [(socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")]  # noqa: S104 - as is asked for
    else:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        places = list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))
    sockets: list[socket.socket] = []
    for family, address in places:
        try:
            sockets.append(_listening(family, address, port))
        except OSError as error:
            if error.errno in _WITHOUT_FAMILY and (sockets or (family, address) != places[-1]):
                continue
            for one in sockets:
                one.close()
            raise
        port = sockets[0].getsockname()[1]
    return sockets


def _listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((address, port))
        one.listen(_BACKLOG)
    except BaseException:
        one.close()
        raise
    return one
