from __future__ import annotations

from itertools import islice

import pytest

from tests.detection.corpus import LANGUAGES, ChatTexts
from tests.detection.judging import KINDS, MOST_FALSE, MOST_MISSED, DetectionFigures, judged
from tests.detection.labelled_texts import LabelledText

TEXTS = 6_000


@pytest.fixture(scope="module", params=[False, True], ids=["mended with", "held out"])
def figures(request: pytest.FixtureRequest) -> DetectionFigures:
    return judged(islice(ChatTexts(4, held_out=request.param), TEXTS))


@pytest.mark.parametrize("kind", KINDS)
def test_few_values_are_missed(figures: DetectionFigures, kind: str) -> None:
    assert figures.missed[(kind,)].of > TEXTS // 20
    assert figures.missed[(kind,)].rate <= MOST_MISSED, [text.text for text, _ in figures.failures]


def test_hardly_anything_is_found_where_nothing_is(figures: DetectionFigures) -> None:
    assert figures.false[()].of == TEXTS // 2
    assert figures.false[()].rate <= MOST_FALSE, [text.text for text, _ in figures.failures]


def test_a_value_is_missed_when_one_character_of_it_is_not_found() -> None:
    text = LabelledText("card 41 11", "en", "card", "pairs", "payment_card", (5, 6, 8, 9))
    nothing: dict[str, list[tuple[int, int]]] = {kind: [] for kind in KINDS}
    assert judged([text], lambda _: nothing | {"payment_card": [(5, 9)], "phone": [(5, 10)]}).missed[()].failed == 1
    assert judged([text], lambda _: nothing | {"payment_card": [(5, 10)]}).missed[()].failed == 0


def test_a_find_of_any_kind_in_a_text_without_a_value_is_false() -> None:
    text = LabelledText("order 4111", "en", "order", "bare")
    nothing: dict[str, list[tuple[int, int]]] = {kind: [] for kind in KINDS}
    assert judged([text], lambda _: nothing | {"phone": [(6, 10)]}).false[()].failed == 1
    assert judged([text], lambda _: nothing).false[()].failed == 0


def test_the_same_seed_gives_the_same_texts_and_no_sentence_is_in_both_parts() -> None:
    assert list(islice(ChatTexts(7), 500)) == list(islice(ChatTexts(7), 500))
    for language in LANGUAGES:
        used, held_out = (ChatTexts(7, held_out=part)._parts[language] for part in (False, True))
        assert used.keys() == held_out.keys()
        assert all(used[part] and held_out[part] and not {*used[part]} & {*held_out[part]} for part in used)
