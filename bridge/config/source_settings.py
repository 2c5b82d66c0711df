"""The section `sources` of the settings: `sources.chat_server.*`, and `sources.ucs.*` from a file of its own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bridge.config.section import Address, Count, PerSecond, Seconds, Section
from bridge.config.tls_settings import LinkTls
from bridge.config.ucs_settings import UcsSettings


class ChatServerSettings(Section):
    """How the bridge appears in chats, and the time-outs and limits of its connections to Chat Server."""

    gateway: Address | None = Field(
        default=None,
        description="host:port of a gateway that hosts the Platform SDK; without it the announced address is used.",
    )
    nickname: str = Field(default="bridge", min_length=1, max_length=64, description="Shown to other supervisors.")
    person_id: str = Field(default="", max_length=64, description="Employee id to register with.")
    user_type: Literal["SUPERVISOR"] = Field(
        default="SUPERVISOR", description="Fixed: only a supervisor can join a chat unseen."
    )
    client_version: int = Field(
        default=106,
        ge=101,
        le=106,
        description="Highest ClientVersion to declare; the server answers with the lower of its own and this.",
    )
    max_sessions_per_connection: Count = Field(
        default=100, description="Chats that share one connection; the vendor advises 1."
    )
    register_timeout_seconds: Seconds = Field(
        default=10.0, description="Time limit of a registration; Chat Server itself gives up after 30 s."
    )
    join_timeout_seconds: Seconds = Field(default=10.0, description="Time limit of the answer to one join.")
    ping_after_seconds: Seconds = Field(default=30.0, description="Send a Ping after so long without input.")
    pong_timeout_seconds: Seconds = Field(
        default=10.0, description="Without input for so long after a Ping, the connection counts as lost."
    )
    reconnect_attempts: Count = Field(
        default=15, description="Attempts to join a chat again before it is given up (the vendor's template)."
    )
    reconnect_delay_seconds: Seconds = Field(
        default=10.0,
        description="Delay between these attempts, with jitter. "
        "It grows to a minute while a server answers joins and drops the chats.",
    )
    stable_after_seconds: Seconds = Field(
        default=60.0,
        description="The attempts count anew after a chat was monitored for so long without interruption.",
    )
    when_attempts_are_used_up: Literal["GIVE_UP", "KEEP_TRYING"] = Field(
        default="GIVE_UP",
        description="Give the chat up (its certificate is INCOMPLETE), or go on trying to join it once a minute.",
    )
    joins_per_second: PerSecond = Field(
        default=10.0,
        description="Joins per second at one server, of all workers together (the vendor sizes a server for 10).",
    )
    joins_peak: Count = Field(default=30, description="Most joins in any one second at one server, bursts included.")
    inbound_frame_bytes: int = Field(
        default=1 << 20,
        ge=32_768,
        description="Longest line to accept, but for the answer to a join; longest event in such an answer.",
    )
    history_bytes: int = Field(
        default=64 << 20,
        ge=32_768,
        le=1 << 30,
        description="Longest answer to a join, which holds the whole transcript: a chat with a longer history cannot "
        "be joined. One that is longer than `inbound_frame_bytes` is held in memory beside `capture.inbox_bytes`, one "
        "at a time in a worker, and published in parts.",
    )
    tls: LinkTls = Field(default_factory=LinkTls)


class SourcesSettings(Section):
    """The sources that deliver chats."""

    chat_server: ChatServerSettings = Field(default_factory=ChatServerSettings)
    ucs: UcsSettings = Field(default_factory=UcsSettings)
