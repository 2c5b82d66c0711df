"""Looks every second at the files of all secrets, applies what changed, and reports it; knows when certificates end."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from bridge.facts import Fact
from bridge.secret_files import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.secret_files import FileBacked
    from bridge.telemetry import Telemetry
    from bridge.tls import RenewedContext

_PAUSE_SECONDS: Final = 1.0


@dataclass(slots=True, frozen=True, kw_only=True)
class SecretReadAgain(Fact):
    """The files of a secret, or of a TLS context, have changed; new connections use what they hold now."""

    kind: str


@dataclass(slots=True, frozen=True, kw_only=True)
class SecretUnusable(Fact):
    """Changed files cannot be used, for the reason in `detail`: the former secret stays in force."""

    level: ClassVar[int] = logging.WARNING

    kind: str
    detail: str


@dataclass(slots=True)
class WatchedSecret:
    """A secret with its kind in log lines; `apply` is called after it has changed."""

    kind: str
    current: FileBacked[object]
    apply: Callable[[], None] = lambda: None
    changes: int = 0
    reason: str = ""


@dataclass(slots=True)
class SecretsWatch:
    """The secrets of a process. `contexts` are those of TLS, by the names of metrics (`meters.CERTIFICATES`)."""

    telemetry: Telemetry
    secrets: list[WatchedSecret] = field(default_factory=list)
    contexts: dict[str, RenewedContext] = field(default_factory=dict)

    def add(self, kind: str, secret: FileBacked[object] | None, apply: Callable[[], None] = lambda: None) -> None:
        """Watch a secret; None is one that is not set, or not in a file."""
        if secret is not None:
            self.secrets.append(WatchedSecret(kind, secret, apply))

    def add_context(self, use: str, context: RenewedContext | None) -> None:
        """Watch the files of a TLS context, and when its certificates end; None is one that is not used."""
        if context is not None:
            self.contexts[use] = context
            self.add(f"{use}_tls", context.current)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self.check()
            await asyncio.sleep(_PAUSE_SECONDS)

    def check(self) -> None:
        """Look at all files once."""
        for secret in self.secrets:
            secret.current()
            if secret.current.changes != secret.changes:
                secret.changes = secret.current.changes
                secret.apply()
                self.telemetry.emit(SecretReadAgain(kind=secret.kind))
            reason = "" if secret.current.error is None else reason_of(secret.current.error)
            if reason and reason != secret.reason:
                self.telemetry.emit(SecretUnusable(kind=secret.kind, detail=reason))
            secret.reason = reason

    def certificate_ends(self) -> Mapping[str, float]:
        """Return when certificates and authorities in use end, by the names of metrics, in seconds since 1970 UTC."""
        loaded = {use: context.current() for use, context in self.contexts.items()}
        ends = {use: one.certificate_end for use, one in loaded.items()}
        ends |= {f"{use}_ca": one.authority_end for use, one in loaded.items()}
        return {which: end for which, end in ends.items() if end is not None}
