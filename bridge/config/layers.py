"""Merges settings file, environment and flags into one nested mapping, with the origin of each value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic_settings import BaseSettings, EnvSettingsSource

from bridge.config.files import FileError, read
from bridge.config.problems import nearest
from bridge.secret_files import read_secret, reason_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic.fields import FieldInfo

PREFIX: Final = "CHATBRIDGE_"
FILE_VARIABLE: Final = "CHATBRIDGE_CONFIG"  # names the settings file; read by the command line
OWN_VARIABLES: Final = frozenset({FILE_VARIABLE, "CHATBRIDGE_CACHE"})
"""Variables of the command line and of the sandbox, which are not settings."""

_SECRETS: Final = (
    ("http", "token"),
    ("http", "read_token"),
    ("http", "announce_token"),
    ("http", "metrics_token"),
    ("http", "tls", "key_password"),
    ("schema_registry", "auth", "password"),
    ("schema_registry", "auth", "bearer_token"),
    ("schema_registry", "tls", "key_password"),
    ("sources", "chat_server", "tls", "key_password"),
    ("sources", "ucs", "url"),
    ("sources", "ucs", "archive_url"),
    ("privacy", "hash_key"),
    ("evidence", "pkcs11_pin"),
    ("kafka", "oauth", "client_secret"),
    ("kafka", "oauth", "tls", "key_password"),
    ("kafka", "client", "sasl_plain_password"),
    ("kafka", "client", "ssl_password"),
)

# Variables that Kubernetes sets in every container for a Service named chatbridge; they are not settings.
_SERVICE_LINK: Final = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_(TCP|UDP|SCTP)\w*)")


@dataclass(slots=True)
class Layers:
    """`values` nested like the tree, `origins` by path (the longest prefix counts), `problems` as lines."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str, ...], str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, values: dict[str, Any], origins: Mapping[tuple[str, ...], str]) -> None:
        """Merge a layer over the values so far."""
        _merge(self.values, values)
        for path, origin in origins.items():
            for below in [known for known in self.origins if known[: len(path)] == path]:
                del self.origins[below]
            self.origins[path] = origin


def _merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def gather(tree: type[BaseSettings], file: Path | None, environ: Mapping[str, str], flags: Mapping[str, str]) -> Layers:
    """Merge file < environment < flags, and read the secrets that are kept in files."""
    layers = Layers()
    if file is not None:
        try:
            values = {key: value for key, value in read(file).items() if value is not None}
        except FileError as error:
            layers.problems.append(str(error))
        else:
            layers.add(values, dict.fromkeys(_leaves(values, ()), f"file {file}"))
    _add_texts(
        layers,
        tree,
        {
            tuple(name[len(PREFIX) :].lower().split("__")): (value, f"environment {name}")
            for name, value in environ.items()
            if _is_setting(name)
        },
    )
    _add_texts(
        layers,
        tree,
        {tuple(key.lower().split(".")): (value, f"flag --set {key}") for key, value in flags.items()},
    )
    for path in _SECRETS:
        _read_secret(layers, path)
    return layers


def _is_setting(variable: str) -> bool:
    return (
        variable.startswith(PREFIX)
        and variable not in OWN_VARIABLES
        and ("__" in variable or not _SERVICE_LINK.fullmatch(variable))
    )


def _leaves(values: dict[str, Any], above: tuple[str, ...]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in values.items():
        path = (*above, str(key))
        found.extend(_leaves(value, path) if isinstance(value, dict) and value else [path])
    return found


class _TextSource(EnvSettingsSource):
    """The environment source of pydantic-settings, applied to a given mapping."""

    def __init__(self, tree: type[BaseSettings], texts: dict[str, str]) -> None:
        super().__init__(tree, case_sensitive=False, env_prefix="", env_nested_delimiter="__")
        self.env_vars = texts

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Decode JSON; a value that is not JSON stays text, for validation to report with all other problems."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except (ValueError, RecursionError):
            return value


def _add_texts(layers: Layers, tree: type[BaseSettings], texts: Mapping[tuple[str, ...], tuple[str, str]]) -> None:
    known: dict[str, str] = {}
    origins: dict[tuple[str, ...], str] = {}
    for path, (text, origin) in texts.items():
        if path[0] in tree.model_fields:
            known["__".join(path)] = text
            origins[path] = origin
        else:
            layers.problems.append(f"{'.'.join(path)}: unknown key; {nearest(path, tree)} (from {origin})")
    layers.add(_TextSource(tree, known)(), origins)


def _read_secret(layers: Layers, path: tuple[str, ...]) -> None:
    here: Any = layers.values
    for part in path[:-1]:
        here = here.get(part) if isinstance(here, dict) else None
    file_key = f"{path[-1]}_file"
    if not isinstance(here, dict) or not isinstance(here.get(file_key), str):
        return
    key, origin = ".".join(path), layers.origins.get((*path[:-1], file_key), "")
    if here.get(path[-1]) is not None:
        layers.problems.append(f"{key}: set together with {key}_file; expected one of the two (from {origin})")
        return
    try:
        here[path[-1]] = read_secret(here[file_key])
    except OSError as error:
        layers.problems.append(f"{key}_file: cannot be read: {error.strerror} (from {origin})")
    except ValueError as error:
        layers.problems.append(f"{key}_file: {reason_of(error)} (from {origin})")
    else:
        layers.origins[path] = origin
