"""The rooms of the house and the doors between them (the design's section 2), read from the source."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bridge"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
MOST_LINES = 400

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "backoff": set(),
    "addresses": set(),
    "announcement": {"addresses", "errors"},
    "transcript": {"errors"},
    "chatserver": {"transcript", "errors"},
    "archive": {"transcript", "errors"},
    "records": {"transcript", "errors"},
    "meters": {"transcript"},
    "telemetry": {"transcript", "meters", "errors"},
    "logs": {"errors"},
    "capture": {"transcript", "records", "announcement", "telemetry", "backoff", "errors"},
    "sources/chat_server": {"chatserver", "transcript", "capture", "addresses", "telemetry", "errors"},
    "adapters": {"backoff", "errors"},
    "adapters/kafka": {"announcement", "errors"},
    "adapters/http": {"announcement", "addresses", "telemetry", "errors"},
    "sandbox": {"errors"},
    "simulator": {
        "simulator/harness",
        "simulator/traffic",
        "simulator/protocol",
        "simulator/model",
        "chatserver",
        "transcript",
        "announcement",
        "addresses",
        "backoff",
        "errors",
    },
    "config": {"addresses", "announcement", "errors"},
    "status": {"adapters/http", "capture", "announcement", "telemetry", "errors"},
}
"""Package -> the packages it may use besides itself. app, cli and commands put everything together and may use all."""

ONLY_FOR_TYPES = {("adapters/kafka", "bridge.capture.ports")}
"""The ports lie with the engine that needs them; an adapter names them in annotations only."""

COMPOSITION = {"app", "factories", "cli", "commands", "__main__"}
PURE = ("transcript", "chatserver", "archive", "records", "announcement", "addresses", "backoff")
IMPURE_MODULES = {"asyncio", "time", "random", "os", "socket", "threading", "subprocess", "secrets", "logging"}
THIRD_PARTY = {
    "transcript": {"msgspec"},
    "chatserver": {"msgspec"},
    "archive": {"msgspec"},
    "records": {"msgspec", "fastavro"},
    "capture": {"msgspec"},
    "errors": set[str](),
}
"""What of the outside the inner packages may use."""


def room_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, bool]]:
    """Every absolute module a file imports, and whether only for type checking."""
    found: list[tuple[str, bool]] = []

    def walk(node: ast.AST, *, typing_only: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend((alias.name, typing_only) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: relative import"
                module = child.module or ""
                whole = [f"bridge.{alias.name}" for alias in child.names] if module == "bridge" else [module]
                found.extend((name, typing_only) for name in whole)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                walk(child, typing_only=True)
            else:
                walk(child, typing_only=typing_only)

    walk(ast.parse(path.read_text("utf-8")), typing_only=False)
    return found


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_room_imports_only_from_the_rooms_it_may(path: Path) -> None:
    room = room_of(path)
    if room in COMPOSITION or room == "__init__":
        return
    allowed = MAY_IMPORT[room] | {room}
    for module, typing_only in imports(path):
        if not module.startswith("bridge.") or (typing_only and (room, module) in ONLY_FOR_TYPES):
            continue
        assert module.split(".")[1] in allowed, f"{room} must not import {module}"


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) in THIRD_PARTY], ids=name_of)
def test_the_inner_rooms_know_few_third_parties(path: Path) -> None:
    outside = {module.split(".")[0] for module, _ in imports(path)} - set(sys.stdlib_module_names) - {"bridge"}
    assert outside <= THIRD_PARTY[room_of(path)]


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) in PURE], ids=name_of)
def test_pure_rooms_know_no_clock_no_chance_and_no_world(path: Path) -> None:
    assert not {module.split(".")[0] for module, _ in imports(path)} & IMPURE_MODULES


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_the_composition_sees_the_settings(path: Path) -> None:
    if room_of(path) in COMPOSITION | {"config"}:
        return
    assert not [module for module, _ in imports(path) if module.startswith("bridge.config")]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MOST_LINES


def test_nothing_is_called_utils() -> None:
    words = {"util", "utils", "helper", "helpers", "misc", "common"}
    assert [name_of(path) for path in FILES if path.stem in words or path.parent.name in words] == []


def test_every_room_has_its_rules() -> None:
    assert {room_of(path) for path in FILES} - COMPOSITION - {"__init__"} == set(MAY_IMPORT)


def test_no_two_modules_import_each_other() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): {
            module for module, typing_only in imports(path) if not typing_only
        }
        for path in FILES
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above, module])
        if module in done:
            return
        for used in modules[module] & modules.keys():
            visit(used, (*above, module))
        done.add(module)

    for module in modules:
        visit(module, ())
