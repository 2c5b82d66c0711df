"""`chatbridge healthcheck`: asks the worker that runs with these settings whether its process works."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bridge.adapters.http.liveness import is_live
from bridge.commands import settings
from bridge.commands.formatting import warn
from bridge.commands.interruption import run_in_loop
from bridge.errors import EXIT_OK, EXIT_RUNTIME, UsageError

if TYPE_CHECKING:
    import argparse

    from bridge.config import Config

_SECONDS: Final = 2.0
"""For the question; with the start of this process less than the 3 s of the image's HEALTHCHECK."""
_EVERY_ADDRESS: Final = {"*": ("127.0.0.1", "::1"), "0.0.0.0": ("127.0.0.1",), "::": ("::1",)}  # noqa: S104
"""What a listener of every address answers on from here."""


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    settings.define(
        parser,
        """\
  chatbridge healthcheck --config bridge.yaml
  CHATBRIDGE_CONFIG=/etc/chatbridge/bridge.yaml chatbridge healthcheck

Asks /livez on http.probes_port, or on http.port where there is none, for at most 2 seconds. Exit code 0: the worker
answers that its process works, whether it is ready or not. Exit code 1: it does not; standard error says why. Settings
that `run` gets as options have to be given here, too.""",
    )


def run(args: argparse.Namespace) -> int:
    """Ask once."""
    config = settings.config_of(args)
    hosts, port = _place(config)
    problem = run_in_loop(_problem(hosts, port, tls=config.http.tls.certificate_file is not None))
    if problem is None:
        return EXIT_OK
    warn(f"chatbridge: no live worker on port {port}: {problem}")
    return EXIT_RUNTIME


def _place(config: Config) -> tuple[tuple[str, ...], int]:
    http = config.http
    host, port = (http.host, http.port) if http.probes_port is None else (http.probes_host, http.probes_port)
    if port == 0:
        raise UsageError(
            "healthcheck: the worker's port is not known: it chooses a free one",
            next_step="set http.port or http.probes_port to a number other than 0",
        )
    return _EVERY_ADDRESS.get(host, (host,)), port


async def _problem(hosts: tuple[str, ...], port: int, *, tls: bool) -> str | None:
    found = await asyncio.gather(*[is_live(host, port, tls=tls, seconds=_SECONDS) for host in hosts])
    return None if None in found else found[0]
