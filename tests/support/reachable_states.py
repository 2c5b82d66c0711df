"""Visits every reachable state of a model, breadth first, so that the way to a forbidden one is a shortest way."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

_S = TypeVar("_S", bound="Hashable")
_T = TypeVar("_T")


class ForbiddenStateFound(Exception):
    """Raised by the steps of a model for a state that must not be, with what is wrong; it never leaves `visit_all`."""


def visit_all(first: _S, steps: Callable[[_S], Iterable[tuple[str, _S]]], error: type[AssertionError]) -> int:
    """Visit all states and return their number.

    `steps` gives the name of each step from a state, and the state after it. Raises `error` for a forbidden state: its
    message is the steps that led there, and what is wrong.
    """
    came: dict[_S, tuple[_S, str] | None] = {first: None}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        try:
            for name, following in steps(state):
                if following not in came:
                    came[following] = (state, name)
                    waiting.append(following)
        except ForbiddenStateFound as found:
            raise error("\n".join([*_way(came, state), str(found)])) from None
    return len(came)


def put(values: tuple[_T, ...], at: int, value: _T) -> tuple[_T, ...]:
    """Return the values with another one in one place."""
    return (*values[:at], value, *values[at + 1 :])


def _way(came: Mapping[_S, tuple[_S, str] | None], state: _S) -> list[str]:
    names: list[str] = []
    while (before := came[state]) is not None:
        state, name = before
        names.append(name)
    return names[::-1]
