"""For any bytes in a settings file: `load` returns settings or raises ConfigError, whose text holds no secret's value.

That is so for YAML and TOML alike, and for the same bytes in an environment variable. A file that cannot be parsed is
told by place and reason; only a key, a tag or a character of it may be repeated, never a value. The work grows with the
length and not faster.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from bridge.config import load, origins
from bridge.config.files import FileError, read
from bridge.errors import ConfigError
from tests.fuzz.engine import MARKER, Fuzzer, run_fixed, shape, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config import Config

SECRETS: Final = {("http", "token"), ("schema_registry", "auth", "password"), ("privacy", "hash_key")}
CLIENT: Final = ("kafka", "client")
_REPEATED: Final = re.compile(
    r"key '[^\n]*' is given twice|tag '[^\n]*'|alias '[^\n]*'|handle '[^\n]*'|\(from [^\n]*\)"
)

CALLS_PER_BYTE: Final = 1_000  # two thousand unknown keys are two thousand searches for the nearest known one
MEASURED: Final = 8  # one in so many: measuring costs more than reading
_VARIABLES: Final = (
    "KAFKA",
    "HTTP__TOKEN",
    "PRIVACY__RULES",
    "SOURCES__CHAT_SERVER__PING_AFTER_SECONDS",
    "KAFKA__CLIENT",
)

TOKENS: Final = (
    *(
        b"kafka:",
        b"  client:",
        b"  sasl_plain_password: ",
        b"http:",
        b"  token: ",
        b"privacy:",
        b"  rules:",
        b"- {name: a",
    ),
    *(
        b"!!int ''",
        b"!!float ''",
        b"!!bool x",
        b"!!timestamp x",
        b"!!binary x",
        b"!!python/name:os.system",
        b"!!set {a}",
    ),
    *(
        b"&a ",
        b"*a",
        b"<<: ",
        b"? ",
        b"---\n",
        b"...\n",
        b"%YAML 9.9\n",
        b"|\n ",
        b">-\n ",
        b"2031-13-41",
        b"1:2:3",
        b"0o9",
    ),
    *(
        b"[kafka]\n",
        b"[[privacy.rules]]\n",
        b'"""',
        b"'''",
        b"a.b.c = ",
        b"inf",
        b"2031-01-01T25:00:00",
        b"0xZ",
        b"= {}",
    ),
)


def check(data: bytes) -> str:
    if len(data) % MEASURED:
        return _check(data)
    labels: list[str] = []
    assert work(lambda: labels.append(_check(data))) <= 300_000 + CALLS_PER_BYTE * len(data)
    return labels[0]


def _check(data: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        labels = [_check_file(Path(folder) / name, data) for name in ("bridge.yaml", "bridge.toml")]
    labels.append(_check_environment(data))
    return shape(labels)


def _check_file(file: Path, data: bytes) -> str:
    file.write_bytes(data)
    with contextlib.suppress(FileError):
        return _check_parsed(file, read(file))
    outcome = _loaded(file, {})
    assert isinstance(outcome, str)
    assert MARKER not in _REPEATED.sub("", outcome)
    return "not parsed"


def _check_parsed(file: Path, values: dict[str, Any]) -> str:
    # A value may be repeated, but for those of secrets: see that there is no other before looking for it.
    hidden = not any(_in_the_open(path, value) for path, value in _leaves(values, ()))
    outcome = _loaded(file, {})
    if isinstance(outcome, str):
        assert not hidden or MARKER not in _REPEATED.sub("", outcome)
        return "refused"
    assert all(MARKER not in text for key, text, _ in origins(outcome) if tuple(key.split(".")) in SECRETS)
    assert not hidden or MARKER not in repr(outcome) + str(outcome)
    return "taken"


def _loaded(file: Path | None, environ: dict[str, str]) -> Config | str:
    """Return the settings, or what is wrong with them."""
    try:
        return load(file, environ, {})
    except ConfigError as error:
        return error.message


def _in_the_open(path: tuple[str, ...], value: object) -> bool:
    return MARKER in "".join(path) or (MARKER in str(value) and path not in SECRETS and path[:2] != CLIENT)


def _leaves(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
        if not value:
            yield path, ""
    else:
        yield path, value


def _check_environment(data: bytes) -> str:
    text = data.decode("utf-8", "surrogateescape")
    name = _VARIABLES[len(data) % len(_VARIABLES)]
    outcome = _loaded(None, {f"CHATBRIDGE_{name}": text})
    assert not (isinstance(outcome, str) and name == "HTTP__TOKEN" and MARKER in outcome)
    return f"environment {'refused' if isinstance(outcome, str) else 'taken'}"


FUZZER: Final = Fuzzer("configuration", check, TOKENS)


@pytest.mark.parametrize("file", FUZZER.files(), ids=lambda file: file.name)
def test_every_file_of_the_corpus_is_taken_or_refused_as_its_name_says(file: Path) -> None:
    outcome = _loaded(file, {})
    assert isinstance(outcome, str) is file.name.startswith("bad-")
    assert not (isinstance(outcome, str) and MARKER in outcome)


def test_the_reader_of_settings_bears_any_bytes() -> None:
    tally = run_fixed(FUZZER, 40)
    assert any("taken" in label.split(" | ") for label in tally)
    assert any("refused" in label.split(" | ") for label in tally)
    assert any("not parsed" in label for label in tally)
