"""Loads a `Config` from file, environment and flags, and lists its values with their origins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, SecretStr, ValidationError

from bridge.config.layers import gather
from bridge.config.problems import describe
from bridge.config.security import CLIENT_SECRETS
from bridge.config.tree import Config
from bridge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

HIDDEN: Final = "***"


def load(file: Path | None, environ: Mapping[str, str], flags: Mapping[str, str]) -> Config:
    """Return the settings of file < environment < flags.

    `file` is YAML or TOML by its suffix. `environ` may hold anything; names that begin with CHATBRIDGE_ are
    settings (`CHATBRIDGE_KAFKA__BOOTSTRAP_SERVERS`). `flags` are dotted keys to text (`kafka.bootstrap_servers`).

    Raises ConfigError with one line per problem, of all layers.
    """
    layers = gather(Config, file, environ, flags)
    problems = list(layers.problems)
    config: Config | None = None
    try:
        config = Config(**layers.values)
    except ValidationError as error:
        problems += describe(error, Config, layers.origins)
    if problems or config is None:
        count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
        raise ConfigError(
            "\n  ".join([f"the configuration has {count}:", *problems]),
            next_step="`chatbridge config` prints every key with its default",
        )
    config.remember(layers.origins)
    return config


def origins(config: Config) -> list[tuple[str, str, str]]:
    """Return (dotted key, value as text, where it came from) of every setting; secrets are shown as `***`."""
    known = config.origins
    return [
        (
            ".".join(path),
            _text(value),
            next((known[path[:n]] for n in range(len(path), 0, -1) if path[:n] in known), "default"),
        )
        for path, value in _settings(config, ())
    ]


def _settings(model: BaseModel, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    for name in type(model).model_fields:
        path = (*above, name)
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _settings(value, path)
        elif path == ("kafka", "client") and value:
            yield from (
                ((*path, key), HIDDEN if key in CLIENT_SECRETS else part) for key, part in sorted(value.items())
            )
        else:
            yield path, value


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(str(getattr(part, "name", part)) for part in value) or "none"
    return str(value)
