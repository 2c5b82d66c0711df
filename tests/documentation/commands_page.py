"""docs/reference/commands.md: the help of every command."""

from __future__ import annotations

import contextlib
import io
import os
from typing import Final
from unittest import mock

from bridge.cli import COMMANDS, main

_COLUMNS: Final = "110"
_HEAD: Final = """\
# Commands

What `chatbridge --help` and `chatbridge COMMAND --help` print.
"""


def text() -> str:
    """Return the page."""
    parts = [_HEAD, _block("chatbridge", [])]
    parts += [_block(f"chatbridge {name}", [name]) for name in COMMANDS]
    return "\n".join(parts)


def _block(title: str, words: list[str]) -> str:
    out = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": _COLUMNS, "NO_COLOR": "1"}),
        contextlib.redirect_stdout(out),
    ):
        main([*words, "--help"])
    return f"## {title}\n\n```\n{out.getvalue().rstrip()}\n```\n"
