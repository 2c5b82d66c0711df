"""Names are unique over the package and the tests, files are short, and integration tests do not use chaos runs."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]


def files(*kinds: str) -> list[Path]:
    """Return the files of these kinds in the package and the tests."""
    return sorted(path for folder in ("bridge", "tests") for kind in kinds for path in (ROOT / folder).rglob(kind))


FILES: Final = files("*.py")
PAGE_FILES: Final = files("*.js", "*.css")
MOST_LINES: Final = 350
NAMES_WITH_A_MEANING: Final = {"__init__.py", "__main__.py", "conftest.py"}
"""File names that Python or pytest look for; every package may have one."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def classes_in(path: Path) -> list[str]:
    return [node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ClassDef)]


def repeated(places: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: found for name, found in places.items() if len(found) > 1}


def test_no_two_files_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in (*FILES, *PAGE_FILES):
        if path.name not in NAMES_WITH_A_MEANING:
            places[path.name].append(name_of(path))
    assert repeated(places) == {}


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in FILES:
        for name in classes_in(path):
            places[name].append(name_of(path))
    assert repeated(places) == {}


def test_a_file_can_be_read_in_one_sitting() -> None:
    lines = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in (*FILES, *PAGE_FILES)}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("path", [path for path in FILES if path.parent == ROOT / "tests" / "integration"], ids=name_of)
def test_integration_tests_do_not_use_chaos_runs(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        assert not [module for module in modules if module.startswith("tests.chaos")]
