"""Turns pydantic's errors into one line each: key, what is wrong, what is expected, origin of the value."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails

_SHOWN_CHARACTERS: Final = 60
_WORDS: Final = {
    "model_type": "a mapping of settings",
    "model_attributes_type": "a mapping of settings",
    "dict_type": "a mapping",
    "tuple_type": "a list (JSON, in the environment and in flags)",
    "missing": "a value: it is required",
    "string_type": "a text; in a file, put quotes around it",
}
_PATTERN: Final = "string_pattern_mismatch"


def describe(error: ValidationError, tree: type[BaseModel], origins: Mapping[tuple[str, ...], str]) -> list[str]:
    """Return one line per problem. Values of secrets, and of the Kafka client map, are never shown."""
    lines: list[str] = []
    for found in error.errors(include_url=False):
        path = tuple(str(part) for part in found["loc"])
        origin = _origin(path, origins)
        key = ".".join(path)
        if found["type"] == "extra_forbidden":
            lines.append(f"{key}: unknown key; {nearest(path, tree)} (from {origin})")
        elif found["type"] == "value_error":
            lines.extend(_from_validator(found, path, tree, origins))
        else:
            shown = "" if _hidden(path, tree) else _shown(found["input"])
            lines.append(f"{key}: {shown}expected {_expected(found)} (from {origin})")
    return lines


def _from_validator(
    found: ErrorDetails, path: tuple[str, ...], tree: type[BaseModel], origins: Mapping[tuple[str, ...], str]
) -> Iterator[str]:
    for reason in str(found["ctx"]["error"]).splitlines():
        if isinstance(found["input"], dict):  # the check of a map names the key itself
            key, _, rest = reason.partition(": ")
            yield f"{'.'.join([*path, key])}: {rest} (from {_origin((*path, key), origins)})"
        else:
            shown = "" if _hidden(path, tree) or not isinstance(found["input"], str) else _shown(found["input"])
            yield f"{'.'.join(path)}: {shown}{reason} (from {_origin(path, origins)})"


def _origin(path: tuple[str, ...], origins: Mapping[tuple[str, ...], str]) -> str:
    """Return where a value came from; of a section, where the first value in it came from."""
    around = (origins[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origins)
    inside = (origin for known, origin in origins.items() if known[: len(path)] == path)
    return next(around, next(inside, "default"))


def _shown(value: object) -> str:
    if isinstance(value, dict | list | tuple):
        return f"is a {'mapping' if isinstance(value, dict) else 'list'}; "
    text = repr(_without_credentials(value) if isinstance(value, str) else value)
    return f"is {text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + '...'}; "


def _without_credentials(text: str) -> str:
    """Return a text with `***` for what stands before its last `@`: in an address that is a user and a password."""
    before, at, host = text.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    return f"{scheme if slashes else ''}{slashes}***@{host}" if at else text


def _expected(found: ErrorDetails) -> str:
    if found["type"] in _WORDS:
        return _WORDS[found["type"]]
    if found["type"] == "too_short":
        return f"at least {found['ctx']['min_length']} characters"
    if found["type"] == _PATTERN:
        return f"text that matches {found['ctx']['pattern']}"
    message = found["msg"]
    for prefix in ("Input should be ", "String should ", "Value should "):
        message = message.removeprefix(prefix)
    return message


def _model_at(path: tuple[str, ...], tree: type[BaseModel]) -> type[BaseModel] | None:
    annotation: Any = tree
    for part in path:
        if get_origin(annotation) is tuple and part.isdecimal():
            annotation = get_args(annotation)[0]
            continue
        model = _model(annotation)
        field = model.model_fields.get(part) if model is not None else None
        annotation = field.annotation if field is not None else None
    return _model(annotation)


def _model(annotation: Any) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _hidden(path: tuple[str, ...], tree: type[BaseModel]) -> bool:
    if path[:2] == ("kafka", "client"):
        return True
    model = _model_at(path[:-1], tree)
    field = model.model_fields.get(path[-1]) if model is not None else None
    return field is not None and "SecretStr" in str(field.annotation)


def keys(tree: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every setting and of every section, a section before what is in it."""
    for name, field in tree.model_fields.items():
        annotation: Any = field.annotation
        yield (*above, name)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from keys(annotation, (*above, name))


def nearest(path: tuple[str, ...], tree: type[BaseModel]) -> str:
    """Return a hint for an unknown key: the nearest known one, or the keys that are known in its section."""
    *above, last = path
    known = list(keys(tree))
    moved = next((each for each in known if len(each) > len(path) and each[-len(path) :] == path), None)
    if moved is not None:
        return f"did you mean {'.'.join(moved)}?"
    model = _model_at(tuple(above), tree)
    siblings = list(model.model_fields) if model is not None else []
    near = difflib.get_close_matches(last, siblings, 1)
    if near:
        return f"did you mean {'.'.join([*above, near[0]])}?"
    elsewhere = {each[-1]: ".".join(each) for each in known}
    near = difflib.get_close_matches(last, elsewhere, 1, cutoff=0.85)
    if near:
        return f"did you mean {elsewhere[near[0]]}?"
    akin = [sibling for sibling in siblings if set(sibling.split("_")) & set(last.split("_"))]
    if len(akin) == 1:
        return f"did you mean {'.'.join([*above, akin[0]])}?"
    if siblings:
        return f"expected one of {', '.join(siblings)}"
    return nearest(tuple(above), tree) if above else "`chatbridge config` prints every key"
