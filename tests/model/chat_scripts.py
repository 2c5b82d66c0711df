"""Scripts for `true_chat`, drawn by Hypothesis: mostly talk and absences, now and then what is rare."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from tests.model.true_chat import TEXTS, ScriptStep

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_TALK: Final = ("says", "says", "says", "comes", "renames", "notes", "notes", "commands", "leaves", "invents")
_RARE: Final = ("refused", "garbage", "strays", "restart", "waits", "ends", "announce")
_ORDINARY: Final = st.integers(0, 3)
_ANY_TEXT: Final = st.one_of(_ORDINARY, _ORDINARY, st.integers(0, len(TEXTS) - 1))


def _steps(names: tuple[str, ...], a: int, b: int, c: int) -> SearchStrategy[ScriptStep]:
    return st.builds(ScriptStep, st.sampled_from(names), st.integers(0, a), st.integers(0, b), st.integers(0, c))


def _flat(parts: tuple[list[ScriptStep], ...]) -> list[ScriptStep]:
    return [step for part in parts for step in part]


def _one(names: tuple[str, ...], a: int, b: int, c: int) -> SearchStrategy[list[ScriptStep]]:
    return _steps(names, a, b, c).map(lambda step: [step])


def _maybe(names: tuple[str, ...], a: int, b: int, c: int) -> SearchStrategy[list[ScriptStep]]:
    return st.lists(_steps(names, a, b, c), max_size=1)


def _committed(script: list[ScriptStep], every: int) -> list[ScriptStep]:
    """Return the script with a commit after so many steps."""
    return [
        one
        for at, step in enumerate(script, 1)
        for one in ((step, ScriptStep("commit")) if at % every == 0 else (step,))
    ]


def scripts() -> SearchStrategy[list[ScriptStep]]:
    """Scripts that begin with a join: talk that is pushed, absences, and what is rare."""
    said = st.builds(ScriptStep, st.sampled_from(_TALK), st.integers(0, 2), _ANY_TEXT, st.sampled_from((0, 0, 0, 1, 2)))
    talk = st.lists(said, min_size=1, max_size=4)
    pushed = st.tuples(talk, _one(("pushes",), 5, 4, 0), _maybe(("repeats", "commit", "changes"), 9, 3, 6)).map(_flat)
    change = st.builds(
        ScriptStep, st.just("changes"), st.integers(0, 7), st.sampled_from((0, 1, 2, 3, 3)), st.integers(0, 6)
    )
    changed = st.lists(change, min_size=1, max_size=2)
    restored = st.builds(ScriptStep, st.just("restored"), st.integers(0, 3), st.sampled_from((0, 0, 1, 4))).map(
        lambda s: [s]
    )
    refused = st.tuples(
        _one(("refused",), 2, 0, 0), st.sampled_from(([], [ScriptStep("announce")], [ScriptStep("announce")]))
    ).map(_flat)
    away = st.tuples(
        _maybe(("down",), 0, 0, 0),
        st.one_of(st.just([]), talk),
        st.one_of(st.just([]), talk, changed, st.tuples(restored, talk).map(_flat)),
        st.one_of(st.just([]), st.just([]), refused),
        _one(("joins",), 5, 7, 9),
    ).map(_flat)
    rare = _one(_RARE, 5, 3, 0)
    episodes = st.lists(st.one_of(pushed, pushed, pushed, away, away, away, rare), min_size=2, max_size=8)
    join = st.sampled_from((*[[ScriptStep("joins")]] * 7, []))
    first = st.tuples(st.lists(said, max_size=3), join).map(_flat)
    ended = _maybe(("ends",), 2, 0, 0)
    late = st.lists(st.one_of(_steps(("repeats", "lags"), 5, 3, 0), _steps(("waits", "commit"), 0, 0, 0)), max_size=3)
    whole = st.tuples(first, episodes.map(tuple).map(_flat), ended, late).map(_flat)
    return st.builds(_committed, whole, st.sampled_from((1, 3, 100)))
