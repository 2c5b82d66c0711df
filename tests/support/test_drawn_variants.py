"""Of many variants of a test a seed draws some; nothing is left out for ever."""

from __future__ import annotations

from tests.support.drawn_variants import FEWEST, drawn

MANY = [f"tests/test_a.py::test_many[{number}]" for number in range(40)]
FEW = [f"tests/test_a.py::test_few[{number}]" for number in range(FEWEST)]
ALONE = "tests/test_b.py::test_alone"


def test_a_quarter_of_many_variants_is_drawn_and_all_of_few() -> None:
    found = drawn([*MANY, *FEW, ALONE], 7)
    assert {ALONE, *FEW} <= found
    assert len(found & set(MANY)) == 10
    assert len(drawn(MANY[: FEWEST + 1], 7)) == FEWEST


def test_the_same_seed_draws_the_same_and_the_order_does_not_matter() -> None:
    assert drawn(MANY, 7) == drawn(reversed(MANY), 7)
    assert drawn(MANY, 7) != drawn(MANY, 8)


def test_over_many_seeds_each_variant_is_drawn() -> None:
    assert set().union(*(drawn(MANY, seed) for seed in range(60))) == set(MANY)
