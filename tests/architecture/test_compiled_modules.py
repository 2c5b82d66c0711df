"""What mypyc asks of the modules that it compiles, where it neither refuses them nor does what Python does."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.packaging.core_build import LEFT_OUT, modules

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
COMPILED: Final = modules(ROOT)
WITH_FIELDS: Final = ("NamedTuple", "Protocol")


def classes_with_fields(tree: ast.Module) -> Iterator[ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            decorators = [ast.unparse(one) for one in node.decorator_list]
            bases = [ast.unparse(one) for one in node.bases]
            if any(one.startswith("dataclass") for one in decorators) or any(one in WITH_FIELDS for one in bases):
                yield node


def looked_up(tree: ast.Module) -> set[str]:
    """Return the names that the compiled form looks up when it makes the classes: of what `X` and `X[...]` name."""
    fields = [field for node in classes_with_fields(tree) for field in node.body if isinstance(field, ast.AnnAssign)]
    outer = [one.annotation.value if isinstance(one.annotation, ast.Subscript) else one.annotation for one in fields]
    return {one.id for one in outer if isinstance(one, ast.Name)}


def only_for_types(tree: ast.Module) -> set[str]:
    guarded = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [one for node in guarded for one in node.body if isinstance(one, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name for one in imports for alias in one.names}


def lazy(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of generator expressions that are handed on, or never end: compiled ones are lists at once."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Return | ast.YieldFrom) and isinstance(node.value, ast.GeneratorExp):
            yield node.lineno
        if isinstance(node, ast.GeneratorExp):
            sources = [ast.unparse(one.iter).partition("(")[0] for one in node.generators]
            if {"count", "cycle", "repeat", "iter"} & {one.rpartition(".")[2] for one in sources}:
                yield node.lineno


@pytest.mark.parametrize("name", COMPILED)
def test_the_types_of_fields_are_there_at_run_time(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text("utf-8"))
    # A Callable is no class: it is not looked up.
    assert looked_up(tree) & only_for_types(tree) - {"Callable"} == set()


@pytest.mark.parametrize("name", COMPILED)
def test_no_generator_expression_has_to_be_lazy(name: str) -> None:
    assert list(lazy(ast.parse((ROOT / name).read_text("utf-8")))) == []


def test_structures_of_msgspec_are_left_out() -> None:
    """It reads the annotations of their fields, which compiled ones lack."""
    for name in COMPILED:
        bases = [
            ast.unparse(base)
            for node in ast.walk(ast.parse((ROOT / name).read_text("utf-8")))
            if isinstance(node, ast.ClassDef)
            for base in node.bases
        ]
        assert not [base for base in bases if base.endswith("Struct")], name


def test_what_is_left_out_exists() -> None:
    assert [name for name in LEFT_OUT if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("def each():\n    return (one for one in many)\n", [2]),
        ("name = next(f'{n}' for n in count(2))\n", [1]),
        ("name = next(f'{n}' for n in itertools.count(2))\n", [1]),
        ("total = sum(one for one in many)\n", []),
    ],
)
def test_generator_expressions_that_have_to_be_lazy_are_found(text: str, lines: list[int]) -> None:
    assert list(lazy(ast.parse(text))) == lines


def test_types_of_fields_that_are_missing_are_found() -> None:
    text = (
        "if TYPE_CHECKING:\n    from a import B, C\n@dataclass\nclass D:\n    b: B\n    c: list[C]\n    d: B | None\n"
    )
    tree = ast.parse(text)
    assert looked_up(tree) & only_for_types(tree) == {"B"}
