"""Addresses of servers: `host:port`, an IPv6 address in brackets."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final

_PORT_DIGITS: Final = 5
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})")


def split_address(address: str) -> tuple[str, int]:
    """Return (host, port) of `host:port` or `[IPv6]:port`. Raises ValueError without showing the address."""
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise ValueError("only an IPv6 address is written in brackets")
    elif ":" in host:
        raise ValueError("expected host:port, an IPv6 address in brackets")
    if not colon or not (port.isascii() and port.isdigit()):
        raise ValueError("expected host:port")
    number = int(port) if len(port) <= _PORT_DIGITS else 0  # more digits cannot be a port
    problem = host_problem(host) or port_problem(number)
    if problem:
        raise ValueError(problem)
    return host, number


@lru_cache(maxsize=1024)  # all chats of a server share one text
def joined_address(host: str, port: int) -> str:
    """Return `host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_problem(host: str) -> str:
    """Return why this is not a host name or IP address, without showing it; empty when it is one."""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return "expected a host name, an IPv4 or an IPv6 address (without brackets or port)"
        return ""
    return "" if _HOST_NAME.fullmatch(host) else "expected a host name, an IPv4 or an IPv6 address"


def port_problem(port: int) -> str:
    """Return why this is not a TCP port; empty when it is one."""
    return "" if 0 < port < 1 << 16 else "expected a port from 1 to 65535"
