"""Who the bridge is on a connection, and its time limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class ConnectionSettings:
    """Who the bridge is to a Chat Server, and its time limits in seconds. `server` and `target` are host:port."""

    nickname: str
    person_id: str
    server: str
    client_version: int = 106
    target: str | None = None
    register_timeout: float = 10.0
    join_timeout: float = 10.0
    ping_after: float = 30.0
    pong_timeout: float = 10.0
