"""Builds what follows the tables of UCS from the settings, and reports on it in the metrics."""

from __future__ import annotations

import random
import weakref
from typing import TYPE_CHECKING, Final

from bridge.backoff import Backoff
from bridge.config.section import secret
from bridge.errors import ConfigError
from bridge.secret_files import FileBacked
from bridge.sources.ucs.database_access import DatabaseAccess
from bridge.sources.ucs.http_transcripts import UcsHttp
from bridge.sources.ucs.table_feeder import FeederSettings, TableFeeder
from bridge.sources.ucs.table_position import FollowingRules
from bridge.sources.ucs.texts_by_id import TextsById

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.capture.ports import Clock, Failed
    from bridge.capture.stored_inputs import StoredRead
    from bridge.config import UcsSettings
    from bridge.secrets_watch import SecretsWatch
    from bridge.sources.ucs.database import UcsDatabase
    from bridge.telemetry import Telemetry

_LONGEST_PAUSE: Final = 60.0
_NEAR_LIVE_SECONDS: Final = 60


class UcsFeeders:
    """Makes the feeders of a worker, one after the other, and holds what outlives them: the access to the databases."""

    def __init__(
        self,
        settings: UcsSettings,
        secrets: SecretsWatch,
        open_database: Callable[[str], UcsDatabase],
        *,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """Nothing connects before a feeder is started. The files of URLs and certificates are added to `secrets`.

        Raises UsageError when UCS cannot be asked over HTTP as it is configured.
        """
        self._settings = feeder_settings_of(settings)
        self._clock = clock
        self._telemetry = telemetry
        self._feeders: weakref.WeakSet[TableFeeder] = weakref.WeakSet()
        self._databases: list[DatabaseAccess] = []
        http = UcsHttp.from_settings(settings.http)
        secrets.add_context("ucs", settings.http.context())
        self._texts_by_id = None if http is None else TextsById(http, telemetry)
        for name, kind, url in (
            ("main", "ucs_url", secret(settings.url, settings.url_file)),
            ("archive", "ucs_archive_url", secret(settings.archive_url, settings.archive_url_file)),
        ):
            if url is None:
                continue
            access = DatabaseAccess(
                name,
                url=url,
                open_database=open_database,
                statement_seconds=3 * settings.statement_timeout_seconds + 30,  # several statements, and connecting
                backoff=Backoff(random.random, first=1.0, maximum=_LONGEST_PAUSE),
                clock=clock,
                telemetry=telemetry,
            )
            self._databases.append(access)
            secrets.add(kind, url if isinstance(url, FileBacked) else None, lambda one=access: self._retry(one))  # type: ignore[misc]
        self._report()

    @classmethod
    def configured(
        cls, settings: UcsSettings, secrets: SecretsWatch, *, clock: Clock, telemetry: Telemetry
    ) -> UcsFeeders | None:
        """Return what the settings say; None without a URL. Raises ConfigError when the extra `ucs` is missing."""
        if settings.url is None:
            return None
        try:
            from bridge.sources.ucs.database import ReadingLimits, UcsDatabase  # noqa: PLC0415 - needs the extra `ucs`
            from bridge.sources.ucs.interactions import InteractionNames  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError(f"sources.ucs needs {error.name}", next_step="pip install 'chatbridge[ucs]'") from None
        names = InteractionNames(
            **settings.names.model_dump(exclude={"table_schema"}), schema=settings.names.table_schema
        )
        limits = ReadingLimits(settings.statement_timeout_seconds, settings.largest_text_characters, settings.kinds)
        return cls(settings, secrets, lambda url: UcsDatabase(url, names, limits), clock=clock, telemetry=telemetry)

    def make(self, deliver: Callable[[StoredRead, int], None], failed: Failed) -> TableFeeder:
        """Return the feeder of a shard."""
        feeder = TableFeeder(
            self._settings,
            self._databases,
            deliver=deliver,
            failed=failed,
            clock=self._clock,
            telemetry=self._telemetry,
            texts_by_id=self._texts_by_id,
        )
        self._feeders.add(feeder)
        return feeder

    def _retry(self, access: DatabaseAccess) -> None:
        access.retry()
        for feeder in self._feeders:
            feeder.wake()

    def _report(self) -> None:
        watch = self._telemetry.watch
        watch("ucs_waiting_chats", lambda: sum(one.waiting_chats for one in self._feeders))
        watch("ucs_bookmark_age_seconds", lambda: max((one.bookmark_age for one in self._feeders), default=0))
        watch("ucs_failing_seconds", self._failing)
        watch("ucs_last_read_timestamp_seconds", lambda: min(one.last_read for one in self._databases))
        watch(
            "ucs_start_date_offset_seconds",
            lambda: 60 * max((one.start_offsets.latest for one in self._feeders), key=abs, default=0),
        )

    def _failing(self) -> float:
        follows = any(one.follows for one in self._feeders)
        return max(one.failing_seconds for one in self._databases) if follows else 0.0


def feeder_settings_of(settings: UcsSettings) -> FeederSettings:
    """Return what the settings say about how tables are followed."""
    near_live = settings.mode == "near_live"
    # A running chat is looked at in each round as long as it changes, and once a minute at least.
    soonest = min(max(int(settings.poll_seconds), 1), _NEAR_LIVE_SECONDS)
    pace = {"soonest": soonest, "latest": _NEAR_LIVE_SECONDS} if near_live else {}
    rules = FollowingRules(
        overlap=settings.overlap_seconds,
        near_live=near_live,
        grace=settings.grace_seconds if settings.mode == "fill_and_check" else 0,
        missing_after=settings.missing_after_seconds,
        **pace,
    )
    return FeederSettings(rules, settings.start, settings.poll_seconds, settings.page_rows)
