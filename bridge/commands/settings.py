"""The options that every command with settings shares, and what commands make of settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.adapters.topics import TopicNames, Topics, TopicShape, wanted
from bridge.config import Config, load
from bridge.config.layers import FILE_VARIABLE
from bridge.errors import UsageError
from bridge.records.redact import Redactor, Rule

if TYPE_CHECKING:
    import argparse

_EPILOG = """
settings: --config FILE (YAML or TOML; or environment CHATBRIDGE_CONFIG) < environment (CHATBRIDGE_KAFKA__GROUP)
< --set kafka.group=...; `chatbridge config` prints them all
"""


def define(parser: argparse.ArgumentParser, examples: str) -> None:
    """Add the options for settings, and the examples, to a command."""
    group = parser.add_argument_group("settings")
    group.add_argument("--config", metavar="FILE", type=Path, help="settings file, .yaml or .toml")
    group.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="one setting; may be repeated")
    group.add_argument("--bootstrap-servers", metavar="HOST:PORT", help="short for --set kafka.bootstrap_servers=...")
    group.add_argument("--topic-prefix", metavar="PREFIX", help="short for --set kafka.topic_prefix=...")
    parser.epilog = f"examples:\n{examples.rstrip()}\n{_EPILOG}"


def config_of(args: argparse.Namespace) -> Config:
    """Load the settings that a command was called with. Raises ConfigError, UsageError."""
    flags: dict[str, str] = {}
    for word in args.set:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--set {word}: expected KEY=VALUE, e.g. --set kafka.group=trial")
        flags[key] = value
    for option, key in (("bootstrap_servers", "kafka.bootstrap_servers"), ("topic_prefix", "kafka.topic_prefix")):
        value = getattr(args, option)
        if value is not None:
            flags[key] = value
    named = os.environ.get(FILE_VARIABLE)
    return load(args.config or (Path(named) if named else None), os.environ, flags)


def topics_of(config: Config) -> Topics:
    """Return the topics of an installation, to look at or to bring into shape."""
    kafka = config.kafka
    shape = TopicShape(
        partitions=kafka.partitions,
        replication_factor=kafka.replication_factor,
        max_record_bytes=kafka.max_record_bytes,
        retention_seconds=kafka.retention_seconds,
        announcement_retention_seconds=kafka.announcement_retention_seconds,
    )
    return Topics(kafka.bootstrap_servers, kafka.client_arguments(), wanted(names_of(config), shape))


def names_of(config: Config) -> TopicNames:
    """Return the topics' names."""
    return TopicNames(config.kafka.topic_prefix)


def redactor_of(config: Config) -> Redactor:
    """Return what the privacy rules do."""
    key = config.privacy.hash_key.get_secret_value().encode() if config.privacy.hash_key else None
    return Redactor(
        [
            Rule(
                name=rule.name,
                attribute=rule.attribute,
                detector=rule.detector,
                pattern=rule.pattern,
                action=rule.action,
                key=key,
            )
            for rule in config.privacy.rules
        ]
    )


def client_of(config: Config) -> dict[str, Any]:
    """Return the arguments that every aiokafka client needs."""
    return {"bootstrap_servers": config.kafka.bootstrap_servers, **config.kafka.client_arguments()}
