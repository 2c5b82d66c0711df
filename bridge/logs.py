"""Log lines on standard error: JSON for machines, or one readable line.

Lines are built from fixed names and a fact's fields. Of exceptions only classes and places are written: the
text of an unexpected one may quote what a customer wrote (P5). For the same reason third-party loggers never go
below WARNING; aiokafka's DEBUG lines hold keys and values of records.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

from bridge.errors import places

_QUIET: Final = ("aiokafka", "aiohttp", "asyncio")
_OFTEN: Final = 10
_WINDOW: Final = 60.0
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


class Repetitions(logging.Filter):
    """Lets a library say the same thing 10 times a minute, and counts what it holds back.

    A broker that is away makes aiokafka write ten lines a second. The same thing is the same logger and template,
    whatever the values. Our own lines are never held back.
    """

    def __init__(self) -> None:
        """Nothing was said yet."""
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to write the line; the first after a rest says in `repeated` how many were held back."""
        if record.name.partition(".")[0] == "bridge":
            return True
        same = (record.name, str(record.msg) if record.args else record.pathname + str(record.lineno))
        since, times = self._said.get(same, (record.created, 0))
        if record.created - since >= _WINDOW:
            if times > _OFTEN:
                record.__dict__["fields"] = {"repeated": times - _OFTEN}
            since, times = record.created, 0
        self._said[same] = since, times + 1
        return times < _OFTEN


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
