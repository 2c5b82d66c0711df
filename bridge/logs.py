"""Log formatting and set-up: JSON or text lines on standard error, repeated lines of libraries suppressed.

A line consists of the name and the fields of a fact (`facts`). Exceptions are logged by class and stack frames only:
the text of an unexpected one may quote a chat (P5). For the same reason third-party loggers never go below WARNING:
aiokafka's DEBUG lines contain keys and values of records.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, TextIO

from bridge.errors import places

if TYPE_CHECKING:
    from collections.abc import Callable

_QUIET: Final = ("aiokafka", "aiohttp", "asyncio")
_OFTEN: Final = 10
_WINDOW: Final = 60.0
_REMEMBERED: Final = 1000
_NUMBER: Final = re.compile(r"(?<!Errno )(?<!\d)\d+")
_CONTROL: Final = {number: f"\\x{number:02x}" for number in [*range(32), 127, *range(128, 160)]}


def start(level: str, form: Literal["json", "text"], stream: TextIO = sys.stderr) -> None:
    """Send the log to `stream`: `level` is debug, info, warning or error."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if form == "json" else ReadableLines())
    handler.addFilter(Repetitions())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("bridge").setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.CRITICAL)  # request lines hold session ids


def level() -> str:
    """Return the name of the level of the bridge's own lines."""
    return logging.getLevelName(logging.getLogger("bridge").level)


def set_level(name: str) -> None:
    """Set the level of the bridge's own lines. Those of libraries stay as `start` has set them."""
    logging.getLogger("bridge").setLevel(name)


class LineCount(logging.Filter):
    """Tells the level of each line that is written: the last filter of its handler sees what the others let pass."""

    def __init__(self, told: Callable[[str], None]) -> None:
        """`told` takes the name of the level."""
        super().__init__()
        self._told = told

    def filter(self, record: logging.LogRecord) -> bool:
        """Count the line and let it pass."""
        self._told(record.levelname)
        return True


def count_lines(told: Callable[[str], None]) -> None:
    """Tell `told` the level of each line that is written from now on, by the handler that `start` has set."""
    for handler in logging.getLogger().handlers:
        handler.addFilter(LineCount(told))


class Repetitions(logging.Filter):
    """Rate limit of third-party log lines: the same line at most 10 times a minute; the suppressed ones are counted.

    Without a broker aiokafka writes ten lines a second. Lines are the same if their texts are, apart from numbers (but
    not error numbers): most of aiokafka's messages quote an error, and a new cause must be seen. The bridge's own lines
    are never suppressed.
    """

    def __init__(self) -> None:
        """Start with no lines counted."""
        super().__init__()
        self._counts: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write the line; the first after a minute has the count of suppressed ones in `repeated`."""
        if record.name.partition(".")[0] == "bridge":
            return True
        same = (record.name, _NUMBER.sub("#", record.getMessage()))
        since, times = self._counts.get(same, (record.created, 0))
        if record.created - since >= _WINDOW:
            if times > _OFTEN:
                record.__dict__["fields"] = {"repeated": times - _OFTEN}
            since, times = record.created, 0
        self._counts[same] = since, times + 1
        if len(self._counts) > _REMEMBERED:
            self._forget(record.created)
        return times < _OFTEN

    def _forget(self, now: float) -> None:
        """Forget the lines that are older than a minute or, if that is not enough, all of them."""
        recent = {same: counted for same, counted in self._counts.items() if now - counted[0] < _WINDOW}
        self._counts = recent if len(recent) <= _REMEMBERED else {}


def _content(record: logging.LogRecord) -> dict[str, object]:
    content: dict[str, object] = {"event": record.getMessage()}
    if not record.name.startswith("bridge"):
        content["logger"] = record.name
    content.update(getattr(record, "fields", {}))
    if record.exc_info:
        kind, error, _ = record.exc_info
        content |= {"error": kind.__name__ if kind else "", "at": places(error) if error else ()}
    return content


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"time": moment.replace("+00:00", "Z"), "level": record.levelname.lower()}
        return json.dumps({**head, **_content(record)}, default=str, ensure_ascii=True)


class ReadableLines(logging.Formatter):
    """Time, level, event, `name=value` pairs; control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        content = _content(record)
        event = content.pop("event")
        pairs = " ".join(f"{name}={_short(value)}" for name, value in content.items())
        return f"{moment} {record.levelname.lower():7} {event} {pairs}".rstrip().translate(_CONTROL)


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, dict):
        return ",".join(f"{key}:{part}" for key, part in value.items())
    return str(value)
