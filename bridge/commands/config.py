"""`chatbridge config`: prints every setting with its value and origin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bridge.commands import settings
from bridge.commands.formatting import escaped, say
from bridge.config import origins
from bridge.errors import EXIT_OK

if TYPE_CHECKING:
    import argparse


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("--json", action="store_true", help="one JSON object: key -> {value, origin}")
    settings.define(
        parser,
        """\
  chatbridge config                        every setting with its default
  chatbridge config --config bridge.yaml   the values from a file and the environment
  chatbridge config --json | jq 'map_values(select(.origin != "default"))'

Secrets are shown as ***. All wrong settings are reported together, with exit code 2.""",
    )


def run(args: argparse.Namespace) -> int:
    """Print the settings."""
    found = origins(settings.config_of(args))
    if args.json:
        say(json.dumps({key: {"value": value, "origin": origin} for key, value, origin in found}, indent=2))
    else:
        for key, value, origin in found:
            say(f"{key} = {escaped(value)}  # from {escaped(origin)}")
    return EXIT_OK
