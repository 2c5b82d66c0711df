"""The layers inside the simulator. Each imports only from those before it; only `main` puts them together."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

SIMULATOR: Final = Path(__file__).parents[2] / "bridge" / "simulator"
LAYERS: Final = ("model", "protocol", "traffic", "ucs", "harness", "main")
"""From the innermost to the outermost."""
PURE: Final = [
    *sorted((SIMULATOR / "model").rglob("*.py")),
    SIMULATOR / "protocol" / "requests.py",
    SIMULATOR / "protocol" / "flex.py",
    SIMULATOR / "traffic" / "actions.py",
    SIMULATOR / "traffic" / "scenario.py",
    *(SIMULATOR / "ucs" / f"{name}.py" for name in ("played_chats", "row_treatment", "saved_chats", "stored_form")),
]
"""Time and the random generator are passed in, except for the scenarios, which make their generator from a seed."""
IMPURE_MODULES: Final = {"asyncio", "time", "os", "socket", "threading", "subprocess", "secrets", "logging"}


def name_of(path: Path) -> str:
    return str(path.relative_to(SIMULATOR))


def layer_of(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return every module that a file imports, for type checking or not."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            whole = {f"{module}.{alias.name}" for alias in node.names} if module == "bridge.simulator" else {module}
            found.update(whole)
    return found


@pytest.mark.parametrize("path", sorted(SIMULATOR.rglob("*.py")), ids=name_of)
def test_a_layer_imports_only_from_those_before_it(path: Path) -> None:
    layer = layer_of(path.relative_to(SIMULATOR).parts)
    used = {
        layer_of(tuple(module.split(".")[2:])) for module in imported(path) if module.startswith("bridge.simulator.")
    }
    allowed = set() if layer == "__init__" else set(LAYERS[: LAYERS.index(layer) + 1])
    assert used <= allowed, f"{layer} must not import {used - allowed}"


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_model_and_request_handling_have_no_clock_and_no_io(path: Path) -> None:
    assert not {module.split(".")[0] for module in imported(path)} & IMPURE_MODULES
