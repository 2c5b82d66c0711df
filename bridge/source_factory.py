"""Builds the Source of each shard from the settings; the only place that chooses a kind of source."""

from __future__ import annotations

import random
import weakref
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bridge.chatserver.connection_settings import ConnectionSettings
from bridge.chatserver.psdk_json import client_wire
from bridge.sources.chat_server.connection_failures import ConnectionFailures
from bridge.sources.chat_server.history_turn import HistoryTurn
from bridge.sources.chat_server.join_rate_limiter import JoinRateLimiter
from bridge.sources.chat_server.link import Link
from bridge.sources.chat_server.reconnect_settings import ReconnectSettings
from bridge.sources.chat_server.session_manager import SessionManager
from bridge.sources.chat_server.transport import TcpTransports
from bridge.status import JoinState
from bridge.ucs_feeders import UcsFeeders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.capture.ports import Clock, Deliver, Failed, Source, TranscriptFeeder
    from bridge.capture.stored_inputs import StoredRead
    from bridge.config import Config
    from bridge.secrets_watch import SecretsWatch
    from bridge.telemetry import Telemetry


@dataclass(slots=True, frozen=True)
class SourceContext:
    """What the sources of a worker may use. `share`: fraction of all shards that this worker owns, above 0, up to 1.

    A source adds the TLS contexts of its connections to `secrets`.
    """

    config: Config
    clock: Clock
    telemetry: Telemetry
    share: Callable[[], float]
    secrets: SecretsWatch


class SourceFactory(JoinState, Protocol):
    """Makes the Source of each shard, and holds what the sources of a worker share: of joins, what status tells.

    `stored_edits_seconds`: how long after the end of a chat its stored transcript may change, and that is noticed; 0.0
    where no stored transcripts are followed.
    """

    @property
    def stored_edits_seconds(self) -> float: ...  # noqa: D102 - see the class

    def make_source(self, deliver: Deliver, failed: Failed) -> Source:
        """Return the Source of one shard; it passes its updates to `deliver`, and its own defects to `failed`."""

    def make_feeder(self, deliver: Callable[[StoredRead, int], None], failed: Failed) -> TranscriptFeeder | None:
        """Return the feeder of the shard of partition 0; None where no stored transcripts are followed."""


class ChatServerSources:
    """Sources that join chats on Chat Servers; they share one join rate limit per server, and one long history."""

    def __init__(self, context: SourceContext) -> None:
        """Nothing connects before a chat is followed."""
        self._context = context
        self._settings = context.config.sources.chat_server
        self._history_turn = HistoryTurn()
        self._managers: weakref.WeakSet[SessionManager] = weakref.WeakSet()
        self._tls = self._settings.tls.context()
        self._failures = ConnectionFailures(
            gateway=self._settings.gateway,
            tls=self._settings.tls.enabled,
            authority_file=self._settings.tls.ca_file,
            certificate_file=self._settings.tls.certificate_file,
        )
        context.secrets.add_context("chat_server", self._tls)
        self._rate_limiter = JoinRateLimiter(
            self._settings.joins_per_second, self._settings.joins_peak, context.clock, context.share
        )
        self._ucs = UcsFeeders.configured(
            context.config.sources.ucs, context.secrets, clock=context.clock, telemetry=context.telemetry
        )

    @property
    def joins_waiting(self) -> int:
        """Number of chats that wait to be joined, in all shards."""
        return self._rate_limiter.waiting

    @property
    def joins_budget(self) -> int:
        """Number of joins that the rate limit allows right now, at the server that has the fewest."""
        return 0 if self.joins_paused else self._rate_limiter.budget

    @property
    def joins_paused(self) -> bool:
        """Whether no joins are sent, by order of the administrator."""
        return self._rate_limiter.paused

    @property
    def client_versions(self) -> Mapping[str, int]:
        """ClientVersion in force -> number of chats that are joined under it."""
        found: Counter[str] = Counter()
        for manager in self._managers:
            for version, chats in manager.client_versions().items():
                found[str(version)] += chats
        return found

    def pause_joins(self) -> None:
        """Send no joins until `resume_joins`."""
        self._rate_limiter.pause()

    def resume_joins(self) -> None:
        """Send joins again."""
        self._rate_limiter.resume()

    def make_source(self, deliver: Deliver, failed: Failed) -> Source:
        """Return the Source of one shard."""
        settings = self._settings
        manager = SessionManager(
            ReconnectSettings(
                attempts=settings.reconnect_attempts,
                delay=settings.reconnect_delay_seconds,
                per_link=settings.max_sessions_per_connection,
                stable_after=settings.stable_after_seconds,
                keep_trying=settings.when_attempts_are_used_up == "KEEP_TRYING",
            ),
            transports=TcpTransports(
                gateway=settings.gateway,
                timeout=settings.register_timeout_seconds,
                tls=self._tls,
            ),
            make_link=self._link,
            rate_limiter=self._rate_limiter,
            history_turn=self._history_turn,
            clock=self._context.clock,
            rng=random.Random(),  # noqa: S311 - jitter, not cryptography
            telemetry=self._context.telemetry,
            deliver=deliver,
            failed=failed,
        )
        self._managers.add(manager)
        return manager

    @property
    def stored_edits_seconds(self) -> float:
        """How long a stored transcript is looked at after its chat's end."""
        return 0.0 if self._ucs is None else float(self._context.config.sources.ucs.overlap_seconds)

    def make_feeder(self, deliver: Callable[[StoredRead, int], None], failed: Failed) -> TranscriptFeeder | None:
        """Return what follows the tables of UCS; None where it is not configured."""
        return None if self._ucs is None else self._ucs.make(deliver, failed)

    def _link(self, server: str, owner: SessionManager) -> Link:
        settings = self._settings
        connection = ConnectionSettings(
            nickname=settings.nickname,
            person_id=settings.person_id,
            server=server,
            client_version=settings.client_version,
            target=server if settings.gateway else None,
            register_timeout=settings.register_timeout_seconds,
            join_timeout=settings.join_timeout_seconds,
            ping_after=settings.ping_after_seconds,
            pong_timeout=settings.pong_timeout_seconds,
        )
        wire = client_wire(settings.inbound_frame_bytes, history=settings.history_bytes)
        return Link(connection, wire, self._context.clock, owner, paused=owner.paused, failures=self._failures)
