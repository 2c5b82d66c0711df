"""Cancellation: what loses it on a Python version that the bridge supports is not used.

On Python 3.11 `asyncio.wait_for` returns normally, and forgets the cancellation of its caller, when what it waits for
is done in the same turn of the loop in which it is cancelled (bpo-37658, mended in 3.12); `asyncio.timeout` does not.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "bridge").rglob("*.py"))


def wait_for_in(text: str) -> list[int]:
    """Return the lines in which `asyncio.wait_for` is named or imported."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "wait_for"
            and isinstance(node.value, ast.Name)
            and node.value.id == "asyncio"
        )
        or (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").split(".")[0] == "asyncio"
            and any(alias.name == "wait_for" for alias in node.names)
        )
        or (isinstance(node, ast.Import) and any(a.name == "asyncio" and a.asname for a in node.names))
    ]


def test_no_file_uses_wait_for_of_asyncio() -> None:
    assert FILES
    assert [f"{path}:{line}" for path in FILES for line in wait_for_in(path.read_text("utf-8"))] == []


def test_it_would_be_found() -> None:
    assert wait_for_in("import asyncio\nasync def f(x):\n    await asyncio.wait_for(x, 1)\n") == [3]
    assert wait_for_in("from asyncio import wait_for\n") == [1]
    assert wait_for_in("import asyncio as a\n") == [1]
