"""Settings files: YAML or TOML by suffix, read strictly.

YAML is read by a safe loader that also refuses a key given twice, aliases (which can make a small file enormous),
several documents, and anything but a mapping.
"""

from __future__ import annotations

import tomllib
from pathlib import Path  # noqa: TC003 - read by readers of the signature only, yet cheap
from typing import Any, Final

import yaml

MAX_BYTES: Final = 1 << 20


# What PyYAML raises besides its own errors: its constructors assume that a tagged value (`!!int ''`) is valid.
_REFUSALS: Final = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError, RecursionError)


class FileError(ValueError):
    """A settings file that cannot be used; the text has place and reason."""


class _StrictLoader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.nodes.Node | None, index: int) -> yaml.nodes.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not accepted", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.nodes.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.nodes.ScalarNode):
                raise yaml.MarkedYAMLError(problem="expected simple text as a key", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(file: Path) -> dict[str, Any]:
    """Return the mapping in a settings file. Raises FileError with file, line where known, and reason."""
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise FileError(f"{file}: {size} bytes; a settings file has at most {MAX_BYTES}")
        text = file.read_text("utf-8")
    except OSError as error:
        raise FileError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise FileError(f"{file}: not UTF-8 (byte {error.start})") from None
    suffix = file.suffix.lower()
    if suffix == ".toml":
        value = _toml(file, text)
    elif suffix in {".yaml", ".yml"}:
        value = _yaml(file, text)
    else:
        raise FileError(f"{file}: unknown kind of file; expected a name ending in .yaml, .yml or .toml")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise FileError(f"{file}: expected a mapping of settings at the top, found a {type(value).__name__}")
    return {str(key): part for key, part in value.items()}


def _toml(file: Path, text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"{file}: {error}") from None
    except (ValueError, RecursionError) as error:  # a number with thousands of digits is a plain ValueError
        raise FileError(f"{file}: {_why(error)}") from None


def _yaml(file: Path, text: str) -> object:
    try:
        return yaml.load(text, _StrictLoader)  # noqa: S506 - _StrictLoader is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        hint = "; indent with spaces" if "'\\t'" in (error.problem or "") else ""
        raise FileError(f"{place}: {error.problem or 'not YAML'}{hint}") from None
    except _REFUSALS as error:
        raise FileError(f"{file}: {_why(error)}") from None


def _why(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else "a value that cannot be read"
