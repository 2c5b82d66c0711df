"""`chatbridge run`: runs a worker until SIGTERM or SIGINT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.app import run_worker
from bridge.commands import settings
from bridge.errors import BridgeError
from bridge.facts import RunFailed
from bridge.telemetry import Telemetry

if TYPE_CHECKING:
    import argparse


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    settings.define(
        parser,
        """\
  chatbridge run --config bridge.yaml
  chatbridge run --bootstrap-servers kafka-1:9092,kafka-2:9092 --set log.format=text
  CHATBRIDGE_KAFKA__CLIENT__SECURITY_PROTOCOL=SSL chatbridge run --config bridge.yaml

SIGTERM or SIGINT: hands the shards over, commits what is held, leaves the chats without ending them, exits 0.
A second signal ends the process at once; nothing that was committed is lost.""",
    )


def run(args: argparse.Namespace) -> int:
    """Capture until stopped. An error is also a line of the log, for who reads nothing else."""
    config = settings.config_of(args)
    try:
        return run_worker(config)
    except BridgeError as error:
        Telemetry().emit(RunFailed(code=error.code, detail=str(error)))
        raise
