"""docs/reference/settings.md: every setting, from the tree in bridge/config."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from bridge.config import Config, OutputSettings, PrivacyRule, WhereSettings
from bridge.config.layers import PREFIX
from bridge.config.security import CLIENT_CHOICES, CLIENT_KEYS, CLIENT_SECRETS
from tests.documentation.tables import code, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_HEAD: Final = """\
# Settings

A setting can be given in three places; a later one overrides an earlier one:

1. a file, YAML or TOML by its suffix: `--config FILE`, or environment `CHATBRIDGE_CONFIG`
2. the environment: the variables are listed at the end; lists and maps are given as JSON
3. flags: `--set kafka.group=trial`; `--bootstrap-servers` and `--topic-prefix` are short forms

An unknown key is an error, in the environment, too. All problems are reported in one message, each with the
origin of the value and, for an unknown key, the nearest known one. A key `..._file` beside a key without that ending
names a file from which the secret is read. Times are in seconds and sizes in bytes, as their names indicate.
`chatbridge config` prints every setting with its value and origin; secrets are shown as `***`.
"""
_DEFAULTS: Final = {("worker_id",): "host name"}
_WORDS: Final[dict[object, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    dict: "map",
    tuple: "list",
    SecretStr: "secret",
}
_SMALLEST_BIG_NUMBER: Final = 10_000


def text() -> str:
    """Return the page."""
    parts = [_HEAD]
    for path, model in _sections(Config, ()):
        rows = [
            (code(".".join(name)), _kind(field), _default(name, field), field.description or "")
            for name, field in _fields(model, path)
        ]
        if not rows:
            continue
        key = ".".join(path)
        parts.append(f"## {key or 'Top level'}\n\n{(model.__doc__ or '').strip() if path else 'About the process.'}\n")
        parts.append(table(("key", "value", "default", "meaning"), rows) + "\n")
        if key == "kafka":
            parts.append(_client())
        if key == "privacy":
            parts.append(_entry("privacy.rules", "Each rule has either `attribute` or `detector`.", PrivacyRule))
        if not path:
            parts += [
                _entry("outputs", "Each output has a name; see [outputs](../outputs.md).", OutputSettings),
                _entry("outputs.where", (WhereSettings.__doc__ or "").strip(), WhereSettings),
            ]
    parts.append("## Environment variables\n")
    parts.append("Every setting and its variable.\n")
    parts.append(table(("variable", "key"), [(code(_variable(path)), code(".".join(path))) for path in _paths()]))
    return "\n".join(parts)


def _paths() -> list[tuple[str, ...]]:
    return [name for path, model in _sections(Config, ()) for name, _ in _fields(model, path)]


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "__".join(path).upper()


def _sections(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        inner = _section(field)
        if inner is not None:
            yield from _sections(inner, (*path, name))


def _fields(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    yield from (((*path, name), field) for name, field in model.model_fields.items() if _section(field) is None)


def _section(field: FieldInfo) -> type[BaseModel] | None:
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _kind(field: FieldInfo) -> str:
    """Return a description of the values that a setting accepts."""
    annotation = _bare(field.annotation)
    if get_origin(annotation) is Literal:
        return ", ".join(map(code, get_args(annotation)))
    words = _WORDS[get_origin(annotation) or annotation]
    return f"{words} {_limits(field)}".strip()


def _bare(annotation: Any) -> Any:
    if get_origin(annotation) in (types.UnionType, Union):
        (annotation,) = (part for part in get_args(annotation) if part is not type(None))
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _limits(field: FieldInfo) -> str:
    words: dict[str, str] = {}
    for part in field.metadata:
        if isinstance(part, annotated_types.Ge):
            words["least"] = f"from {_number(part.ge)}"
        elif isinstance(part, annotated_types.Gt):
            words["least"] = f"above {_number(part.gt)}"
        elif isinstance(part, annotated_types.Le):
            words["most"] = f"to {_number(part.le)}"
    return " ".join(words.values())


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and value >= _SMALLEST_BIG_NUMBER else f"{value:g}"


def _default(path: tuple[str, ...], field: FieldInfo) -> str:
    if path in _DEFAULTS:
        return _DEFAULTS[path]
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    return _number(value) if isinstance(value, int | float) else code(value)


def _client() -> str:
    """Return the section on the map `kafka.client`."""
    rows = [(code(key), _client_kind(key)) for key in CLIENT_KEYS]
    return (
        "### kafka.client\n\nThe names are aiokafka's; `ssl_...` are for the TLS context. Settings that the "
        "promises depend on (acks, idempotence, isolation level, group, transactional id) are not accepted.\n\n"
        + table(("key", "value"), rows)
        + "\n"
    )


def _client_kind(key: str) -> str:
    if key in CLIENT_CHOICES:
        return ", ".join(map(code, CLIENT_CHOICES[key]))
    return "secret" if key in CLIENT_SECRETS else _WORDS[CLIENT_KEYS[key]]


def _entry(key: str, about: str, model: type[BaseModel]) -> str:
    """Return the section on an entry of a list, or on a map in one."""
    rows = [
        (code(name), _kind(field), _default((name,), field), field.description or "")
        for name, field in model.model_fields.items()
        if _section(field) is None
    ]
    return f"### {key}\n\n{about}\n\n" + table(("key", "value", "default", "meaning"), rows) + "\n"
