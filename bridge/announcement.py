"""Announcements: which chats to follow, and where they live.

One JSON object per record of the announcements topic, or per POST to the HTTP API. Whoever knows of a chat
writes it: a routing workflow, a script, a listener on Interaction Server (protocol facts, section 6: Chat
Server itself announces nothing). Unknown fields pass: a newer writer cannot break an older worker.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec

from bridge.addresses import host_problem, joined_address, port_problem, split_address
from bridge.errors import UnreadableAnnouncement

MAX_BYTES: Final = 64 * 1024
MAX_SERVERS: Final = 32
MAX_TENANT: Final = 256
UNKNOWN_HOST: Final = "unknown.invalid"
"""The host of a chat that waits for its announcement: no name ends in .invalid (RFC 2606)."""

_SESSION_ID: Final = re.compile(r"[A-Za-z0-9_.:~-]{1,64}")


class Announcement(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """One chat to follow. Every instance keeps the rules below; making one that breaks them is a ValueError.

    `servers` are further addresses (`host:port`) to try after `host` and `port`. `password` is the session
    password where the site enforces one (P5: it leaves this value only for a join, the announcement and the
    checkpoint). `announced_at` in ms since 1970 UTC.
    """

    session_id: str
    host: str
    port: int
    servers: list[str] = []
    password: str | None = None
    tenant: str | None = None
    user_data: dict[str, str | int | float | bool] = {}
    announced_at: int | None = None

    def __post_init__(self) -> None:
        """Check what types cannot say; msgspec turns the ValueError of a decoded value into its own."""
        problems = [
            f"{name}: {problem}"
            for name, problem in (
                ("sessionId", session_id_problem(self.session_id)),
                ("host", host_problem(self.host)),
                ("port", port_problem(self.port)),
                ("servers", servers_problem(self.servers)),
                ("tenant", tenant_problem(self.tenant)),
                ("userData", _user_data_problem(self.user_data)),
            )
            if problem
        ]
        if problems:
            raise ValueError("; ".join(problems))

    def __repr__(self) -> str:
        """Show the id and the place only: logged by accident, it must not give away a password (P5)."""
        return f"Announcement({self.session_id!r}, {self.places()[0]!r})"

    def places(self) -> list[str]:
        """Return the places at which the chat may be found: `host:port` (IPv6 in brackets), best first, each once."""
        return list(dict.fromkeys([joined_address(self.host, self.port), *self.servers]))


def attributes_of(announcement: Announcement) -> dict[str, str]:
    """Return the user data as texts, as they are in JSON; a string as it is."""
    data = announcement.user_data
    return {name: one if isinstance(one, str) else msgspec.json.encode(one).decode() for name, one in data.items()}


def session_id_problem(session_id: str) -> str:
    """Return why this is no session id, without showing it; the empty text when it is one."""
    return "" if _SESSION_ID.fullmatch(session_id) else "expected 1 to 64 characters of A-Z a-z 0-9 _ . : ~ -"


def servers_problem(servers: list[str]) -> str:
    """Return why this is no list of further servers, without showing them; the empty text when it is one."""
    if len(servers) > MAX_SERVERS:
        return f"expected at most {MAX_SERVERS} servers"
    for at, server in enumerate(servers, 1):
        try:
            split_address(server)
        except ValueError as error:
            return f"entry {at}: {error}"
    return ""


def tenant_problem(tenant: str | None) -> str:
    """Return why this is no tenant (it stands on every record of the chat); the empty text when it is one."""
    return f"expected at most {MAX_TENANT} characters" if tenant is not None and len(tenant) > MAX_TENANT else ""


def _user_data_problem(user_data: dict[str, str | int | float | bool]) -> str:
    finite = all(math.isfinite(value) for value in user_data.values() if isinstance(value, float))
    return "" if finite else "expected finite numbers"  # JSON has no others


_DECODER: Final = msgspec.json.Decoder(Announcement)
_ENCODER: Final = msgspec.json.Encoder()


def parse(data: bytes) -> Announcement:
    """Return the announcement in these bytes.

    Raises UnreadableAnnouncement with a reason that names fields, never values: a password may be among them.
    """
    if len(data) > MAX_BYTES:
        raise UnreadableAnnouncement(f"an announcement of {len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        return _DECODER.decode(data)
    except UnicodeDecodeError:
        raise UnreadableAnnouncement("an announcement that is not UTF-8") from None
    except msgspec.ValidationError as error:
        raise UnreadableAnnouncement(f"an announcement that does not fit: {error}") from None
    except msgspec.DecodeError as error:
        raise UnreadableAnnouncement(f"an announcement that is not JSON: {error}") from None
    except RecursionError:
        raise UnreadableAnnouncement("an announcement nested too deeply") from None


def encode(announcement: Announcement) -> bytes:
    """Return the JSON of an announcement, as `parse` reads it.

    Raises UnreadableAnnouncement when it would be larger than `parse` accepts, or holds text that is no Unicode.
    """
    try:
        data = _ENCODER.encode(announcement)
    except UnicodeEncodeError:
        raise UnreadableAnnouncement("an announcement with text that is no Unicode") from None
    if len(data) > MAX_BYTES:
        raise UnreadableAnnouncement(f"an announcement of {len(data)} bytes; at most {MAX_BYTES} are read")
    return data


def merged(older: Announcement, newer: Announcement) -> Announcement:
    """Return what two announcements of one chat say together: the newer one, and what only the older one tells.

    Host and port are the newer's. Password, tenant, further servers and time stay where the newer has none (absent,
    null and empty are the same); user data are united key by key, the newer's value first. What then is too large to
    be written is left out of the older's part until the rest fits: user data, servers, tenant, password, in this order.
    """
    kept: dict[str, Any] = {
        "announced_at": older.announced_at if newer.announced_at is None else newer.announced_at,
        "password": newer.password or older.password,
        "tenant": newer.tenant or older.tenant,
        "servers": newer.servers or older.servers,
        "user_data": {**older.user_data, **newer.user_data},
    }
    while kept:
        both = msgspec.structs.replace(newer, **kept)
        if _can_be_written(both):
            return both
        kept.popitem()
    return newer


def _can_be_written(announcement: Announcement) -> bool:
    try:
        encode(announcement)
    except UnreadableAnnouncement:
        return False
    return True


def rewritten(announcement: Announcement, raw: bytes) -> bytes:
    """Return the JSON of an announcement that was parsed from `raw`: written again, or else as it came."""
    try:
        return encode(announcement)
    except UnreadableAnnouncement:  # too long now that `1e15` is written out
        return raw
