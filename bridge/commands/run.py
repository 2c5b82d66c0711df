"""`chatbridge run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.app import run_worker
from bridge.commands import settings

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

SIGTERM or SIGINT: commits what is held, hands the shards over, leaves the chats unnoticed, exits 0.
A second one ends it at once; nothing that was counted as captured is lost by that.""",
    )


def run(args: argparse.Namespace) -> int:
    """Capture until stopped."""
    return run_worker(settings.config_of(args))
