"""Of many tests, and of many variants of a test, a seed draws some; nothing is left out for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from tests.support.drawn_tests import FEWEST, drawn_tests, drawn_variants

MANY = [f"tests/test_a.py::test_many[{number}]" for number in range(40)]
FEW = [f"tests/test_a.py::test_few[{number}]" for number in range(FEWEST)]
ALONE = "tests/test_b.py::test_alone"
TESTS = [f"tests/test_b.py::test_{number}[{variant}]" for number in range(31) for variant in ("plain", "tls")]

Draw = Callable[[Iterable[str], int], set[str]]


def test_a_quarter_of_many_variants_is_drawn_and_all_of_few() -> None:
    found = drawn_variants([*MANY, *FEW, ALONE], 7)
    assert {ALONE, *FEW} <= found
    assert len(found & set(MANY)) == 10
    assert len(drawn_variants(MANY[: FEWEST + 1], 7)) == FEWEST
    assert len(drawn_variants(MANY, 7, 8)) == 5


def test_a_third_of_the_tests_is_drawn_with_all_their_variants() -> None:
    found = drawn_tests(TESTS, 7)
    assert len(found) == 2 * 11
    assert {one.replace("tls", "plain") for one in found} == {one for one in found if one.endswith("[plain]")}
    assert drawn_tests(FEW, 7) == set(FEW)


@pytest.mark.parametrize(("draw", "ids"), [(drawn_variants, MANY), (drawn_tests, TESTS)])
def test_the_same_seed_draws_the_same_and_the_order_does_not_matter(draw: Draw, ids: list[str]) -> None:
    assert draw(ids, 7) == draw(reversed(ids), 7)
    assert draw(ids, 7) != draw(ids, 8)


@pytest.mark.parametrize(("draw", "ids"), [(drawn_variants, MANY), (drawn_tests, TESTS)])
def test_over_many_seeds_each_is_drawn(draw: Draw, ids: list[str]) -> None:
    assert set().union(*(draw(ids, seed) for seed in range(60))) == set(ids)
