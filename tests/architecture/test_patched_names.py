"""What tests replace in a module of the bridge by its name as text is there: no type check sees such a name."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for room in ("bridge", "tests")
    for path in sorted((ROOT / room).rglob("*.py"))
}


@cache
def names_in(module: str) -> set[str]:
    """What the module's top level defines, assigns or imports, and the names of its submodules."""
    names = {other.removeprefix(f"{module}.").split(".")[0] for other in MODULES if other.startswith(f"{module}.")}
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        match node:
            case ast.Import(names=imported) | ast.ImportFrom(names=imported):
                names |= {(each.asname or each.name).split(".")[0] for each in imported}
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
    return names


def imported_modules(tree: ast.Module) -> dict[str, str]:
    """The modules of this project that a file imports, by the name that they have there."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            for each in node.names:
                full = f"{node.module}.{each.name}"
                if full in MODULES:
                    found[each.asname or each.name] = full
    return found


def replaced(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Line, module and name of each `setattr(module, "name", ...)`, `patch.object(module, "name")`, `"module.name"`."""
    modules = imported_modules(tree)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        if node.func.attr not in {"setattr", "object", "patch"}:
            continue
        match node.args:
            case [ast.Name(id=name), ast.Constant(value=str(attribute)), *_] if name in modules:
                yield node.lineno, modules[name], attribute
            case [ast.Constant(value=str(path)), *_] if path.startswith(("bridge.", "tests.")):
                parts = path.split(".")
                module = max((name for n in range(len(parts)) if (name := ".".join(parts[:n])) in MODULES), key=len)
                yield node.lineno, module, path.removeprefix(f"{module}.").split(".")[0]


def test_each_name_that_a_test_replaces_in_a_module_is_there() -> None:
    found = [
        (f"{user}:{line}", module, name)
        for user, path in MODULES.items()
        if user.startswith("tests.")
        if any(call in (text := path.read_text("utf-8")) for call in ("setattr(", "patch(", ".object("))
        for line, module, name in replaced(ast.parse(text))
    ]
    assert len(found) > 30, "the form in which tests replace names has changed"
    assert [(place, module, name) for place, module, name in found if name not in names_in(module)] == []


def test_a_name_that_has_moved_is_found() -> None:
    tree = ast.parse('from bridge import factories\npatch.object(factories, "memory_limit", 1)')
    [(_, module, name)] = replaced(tree)
    assert (module, name) == ("bridge.factories", "memory_limit")
    assert name not in names_in(module)
