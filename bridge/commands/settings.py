"""The settings options shared by the commands (--config, --set, ...), and loading the settings they give."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bridge.config import Config, load
from bridge.config.layers import FILE_VARIABLE
from bridge.errors import UsageError
from bridge.output_topics import with_first
from bridge.starting import ended_by_ctrl_c

_EPILOG = """
settings, later ones override earlier ones: --config FILE (or environment variable CHATBRIDGE_CONFIG; YAML or TOML),
environment (CHATBRIDGE_KAFKA__GROUP=trial), --set kafka.group=trial; `chatbridge config` lists all of them
"""


def define(parser: argparse.ArgumentParser, examples: str) -> None:
    """Add the options for settings, and the examples, to a command."""
    group = parser.add_argument_group("settings")
    group.add_argument("--config", metavar="FILE", type=Path, help="settings file, .yaml or .toml")
    group.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="one setting; may be repeated")
    group.add_argument(
        "--bootstrap-servers", metavar="HOST:PORT", help="short form of --set kafka.bootstrap_servers=..."
    )
    group.add_argument("--topic-prefix", metavar="PREFIX", help="short form of --set kafka.topic_prefix=...")
    parser.epilog = f"examples:\n{examples.rstrip()}\n{_EPILOG}"


def chat_id(text: str) -> str:
    """Return the id of a chat. Raises ArgumentTypeError for none, as of a variable that is not set, or no text."""
    if not text or not text.isprintable():
        raise argparse.ArgumentTypeError("expected the id of a chat")
    return text


def define_output(
    parser: argparse.ArgumentParser, meaning: str = "which output to read; by default, the first"
) -> None:
    """Add the option that names an output, to a command that reads the topics of one."""
    parser.add_argument("--output", metavar="NAME", help=meaning)


def config_of(args: argparse.Namespace) -> Config:
    """Load the settings that a command was called with. Raises ConfigError, UsageError.

    The output that `--output` names is the first.
    """
    flags: dict[str, str] = {}
    for assignment in args.set:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment}: expected KEY=VALUE, e.g. --set kafka.group=trial")
        flags[key] = value
    for option, key in (("bootstrap_servers", "kafka.bootstrap_servers"), ("topic_prefix", "kafka.topic_prefix")):
        value = getattr(args, option)
        if value is not None:
            flags[key] = value
    named = os.environ.get(FILE_VARIABLE)
    with ended_by_ctrl_c():
        config = load(args.config or (Path(named) if named else None), os.environ, flags)
    output = getattr(args, "output", None)
    return config if output is None else with_first(config, output)
