"""What the ids of published events add to the ledger: which certificates are right of chats that it does not decide."""

from __future__ import annotations

import math

import pytest

from tests.chaos.damaged_lines import Damage, damage_of
from tests.chaos.ledger_verdicts import COMPLETE, EXPECTED, INCOMPLETE, FaultTimes, LedgerChatView, SentGarbage
from tests.chaos.plan import GARBAGE, HALF_A_LINE, HARMLESS_GARBAGE
from tests.chaos.published_events import PublishedEvent
from tests.chaos.published_verdicts import judge_published

NAME = "S"
SERVER = "chat-server-1-1"
UNREADABLE = next(one for one in GARBAGE if one not in HARMLESS_GARBAGE and one != HALF_A_LINE)


def chat(*, able: int = 2, missing: tuple[int, ...] = (), lost: tuple[int, ...] = ()) -> LedgerChatView:
    """Events 1 to 9, one a second from 1 s on, a monitor since 2.5 s; `missing` were sent to nobody but a party."""
    view = LedgerChatView(SERVER, closed=9.0, lives=[20.0], connections=[7])
    view.events = [(number, float(number), number in missing) for number in range(1, 10) if number not in lost]
    view.lost = {number: (float(number), 8.5) for number in lost}
    view.monitors = {"M": (2.5, math.inf)}
    view.basic = {f"party {number}" for number in range(able)}
    return view


def history(*numbers: int, at: float = 3.0) -> list[PublishedEvent]:
    return [PublishedEvent(number, live=False, came=at) for number in numbers]


def pushed(*numbers: int) -> list[PublishedEvent]:
    return [PublishedEvent(number, live=True, came=number + 0.1) for number in numbers]


@pytest.mark.parametrize(
    ("view", "events", "allowed"),
    [
        (chat(), [*history(1, 2), *pushed(3, 4, 5, 6, 7, 8, 9)], {COMPLETE}),
        (chat(), [], {INCOMPLETE}),  # never joined, or nothing committed
        (chat(), [*history(1, 2), *pushed(3, 4, 5, 6, 7, 8)], {INCOMPLETE}),  # the end did not come
        (chat(), [*history(1, 2), *pushed(3, 4, 6, 7, 8, 9)], {INCOMPLETE}),  # a monitor could have had it
        (chat(missing=(2,)), [*history(1, 3), *pushed(4, 5, 6, 7, 8, 9)], {EXPECTED}),
        (chat(missing=(5,)), [*history(1, 2), *pushed(3, 4, 6, 7, 8, 9)], {EXPECTED}),
        (chat(missing=(5,), able=1), [*history(1, 2), *pushed(3, 4, 6, 7, 8, 9)], {INCOMPLETE}),
        (chat(missing=(5,)), [*history(1, 2), *pushed(3, 4), *history(6, 7, at=7.5), *pushed(8, 9)], {INCOMPLETE}),
        (chat(lost=(5,)), [*history(1, 2), *pushed(3, 4), *history(6, 7, at=7.5), *pushed(8, 9)], {INCOMPLETE}),
        (chat(lost=(5,)), [*history(1, 2), *pushed(3, 4, 5), *history(6, 7, at=7.5), *pushed(8, 9)], {COMPLETE}),
        (chat(missing=(9,)), [*history(1, 2), *pushed(3, 4, 5, 6, 7, 8)], {COMPLETE, INCOMPLETE}),  # an end unseen
    ],
)
def test_the_verdicts_that_published_events_allow(
    view: LedgerChatView, events: list[PublishedEvent], allowed: set[str]
) -> None:
    assert judge_published(NAME, view, events, Damage()) == allowed


@pytest.mark.parametrize(("known_again", "verdict"), [((5, 6), EXPECTED), ((4, 5), INCOMPLETE)])
def test_an_absence_is_over_with_the_first_id_above_those_before_it(known_again: tuple[int, ...], verdict: str) -> None:
    view = chat(missing=(7,) if 6 in known_again else (6, 7))
    view.monitors = {"M": (2.5, 5.2), "N": (5.3, math.inf)}
    events = [*history(1, 2), *pushed(3, 4, 5), *history(*known_again, at=5.5), *pushed(8, 9)]
    assert judge_published(NAME, view, events, Damage()) == {verdict}


@pytest.mark.parametrize(("until", "verdicts"), [(math.inf, {EXPECTED, INCOMPLETE}), (7.5, {INCOMPLETE})])
def test_an_id_that_is_skipped_while_another_monitor_comes_was_sent_to_nobody_if_the_first_one_published(
    until: float, verdicts: set[str]
) -> None:
    view = chat(missing=(7,))
    view.monitors = {"M": (2.5, until), "N": (6.5, math.inf)}
    events = [*history(1, 2), *pushed(3, 4, 5, 6, 8, 9)]
    assert judge_published(NAME, view, events, Damage()) == verdicts


@pytest.mark.parametrize(
    ("asked", "verdicts"), [(9.05, {INCOMPLETE}), (9.5, {COMPLETE, INCOMPLETE}), (8.0, {COMPLETE})]
)
def test_who_finds_a_chat_over_before_its_end_is_published_calls_it_incomplete(
    asked: float, verdicts: set[str]
) -> None:
    view = chat()
    view.asked = [asked]
    assert judge_published(NAME, view, ALL, Damage()) == verdicts


ALL = [*history(1, 2), *pushed(3, 4, 5, 6, 7, 8, 9)]
NOT_PUSHED = [*history(1, 2), *pushed(3, 4), *history(5, 6, at=6.5), *pushed(7, 8, 9)]


def damage(text: str, events: list[PublishedEvent], *, begin: float = 4.9, end: float = 5.4) -> Damage:
    return damage_of({NAME: chat()}, {NAME: events}, FaultTimes([], [SentGarbage(SERVER, begin, end, text)]))


@pytest.mark.parametrize("text", HARMLESS_GARBAGE)
def test_lines_about_nobody_cost_nothing(text: str) -> None:
    assert damage(text, ALL) == Damage()


def test_an_unreadable_line_concerns_every_chat_whose_later_events_were_committed() -> None:
    assert damage(UNREADABLE, ALL) == Damage(surely={NAME})
    assert damage(UNREADABLE, ALL[:6]) == Damage(maybe={NAME})
    assert damage(UNREADABLE, ALL, begin=30.0, end=31.0) == Damage()
    other = SentGarbage("chat-server-2-1", 4.9, 5.4, UNREADABLE)
    assert damage_of({NAME: chat()}, {NAME: ALL}, FaultTimes([], [other])) == Damage()


def test_half_a_line_costs_the_event_after_it() -> None:
    assert damage(HALF_A_LINE, NOT_PUSHED) == Damage(surely={NAME})
    assert damage(HALF_A_LINE, ALL) == Damage(maybe={NAME})


def test_half_a_line_that_was_sent_to_a_worker_that_is_being_replaced_may_have_cost_nothing() -> None:
    """Nothing that was pushed after it over that connection was committed: the next worker has it from the history."""
    view = chat()
    view.monitors, view.connections, view.lives = {"M": (2.5, 5.3), "N": (5.4, math.inf)}, [7, 8], [5.3, math.inf]
    events = [*history(1, 2), *pushed(3, 4), *history(5, at=5.5), *pushed(6, 7, 8, 9)]
    times = FaultTimes([], [SentGarbage(SERVER, 4.9, 5.35, HALF_A_LINE)])
    assert damage_of({NAME: view}, {NAME: events}, times) == Damage(maybe={NAME})


def test_half_a_line_that_ends_alone_concerns_every_chat() -> None:
    assert damage(HALF_A_LINE, ALL, begin=5.1, end=5.4) == Damage(surely={NAME})


def test_damage_makes_a_chat_incomplete() -> None:
    assert judge_published(NAME, chat(), ALL, Damage(surely={NAME})) == {INCOMPLETE}
    assert judge_published(NAME, chat(), ALL, Damage(maybe={NAME})) == {COMPLETE, INCOMPLETE}


@pytest.mark.parametrize(
    ("at", "connection", "damage"),
    [
        (5.0, 7, Damage(surely={NAME})),
        (8.95, 7, Damage(surely={NAME})),  # the push of the end came after it
        (9.05, 7, Damage()),  # the chat was over
        (2.4, 7, Damage()),  # the monitor had not joined
        (5.0, 8, Damage()),  # it was sent to others
    ],
)
def test_the_journal_tells_when_and_over_which_connections(at: float, connection: int, damage: Damage) -> None:
    view = chat()
    view.raw = {connection: [at]}
    sent = SentGarbage(SERVER, at - 0.1, at + 1.0, UNREADABLE)
    assert damage_of({NAME: view}, {NAME: ALL}, FaultTimes([], [sent])) == damage
