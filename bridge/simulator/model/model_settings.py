"""Configuration of the simulated Chat Server's model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.chatserver.versions import HIGHEST
from bridge.simulator.model.idle import ASYNC

if TYPE_CHECKING:
    from bridge.simulator.model.idle import IdleTimeouts


@dataclass(slots=True, frozen=True)
class ModelSettings:
    """Options of this Chat Server.

    `client_version` is the highest version it supports. `passwords` is the vendor's session-password-enforce.
    `replay_typing`: whether the history sent on a join contains typing notices (section 5.2 leaves it open). `idle` is
    inactivity-control for every new session (None: off, the vendor's default); `idle_async` is the same for
    asynchronous chats.
    """

    client_version: int = HIGHEST
    passwords: bool = False
    replay_typing: bool = True
    register_timeout_seconds: float = 30.0
    flex_disconnect_seconds: float = 45.0
    idle: IdleTimeouts | None = None
    idle_async: IdleTimeouts | None = ASYNC
    tenant: str = "Resources"
