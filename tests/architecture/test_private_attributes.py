"""Private attributes of other people's objects: aiokafka's only, and in two files only."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALLOWED = ["bridge/adapters/kafka/aiokafka_internals.py", "bridge/kafka_clients.py"]
FILES = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in sorted((ROOT / "bridge").rglob("*.py"))}


def test_only_two_files_may_tell_the_linter_to_let_private_attributes_pass() -> None:
    assert [name for name, text in FILES.items() if "SLF001" in text] == ALLOWED


def test_no_file_asks_for_private_attributes_by_their_name_as_text() -> None:
    found = [
        f"{name}:{node.lineno}"
        for name, text in FILES.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"getattr", "setattr", "hasattr", "delattr"}
        and any(isinstance(each, ast.Constant) and str(each.value).startswith("_") for each in node.args)
    ]
    assert found == []


def test_nothing_private_is_imported_from_aiokafka() -> None:
    private = [
        f"{name}: {node.module}"
        for name, text in FILES.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("aiokafka")
        and any(part.startswith("_") for part in [*(node.module or "").split("."), *(a.name for a in node.names)])
    ]
    assert private == []
