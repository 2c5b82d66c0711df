"""What waits of a chat before it is folded, for how long, and what lets it through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.announcement import Announcement
from bridge.capture.inbox import Announced, Inbox
from bridge.capture.stored_inputs import ErasureRequested, StoredPlace
from bridge.transcript.events import ChatTranscript
from bridge.transcript.updates import JoinRefused, LinkDown, QuarantinedInput, TranscriptUpdate, Verdict
from tests.support.reasons import A_REFUSAL
from tests.transcript.build import said
from tests.transcript.waiting_events import InParts

if TYPE_CHECKING:
    from bridge.capture.inbox import Input
    from bridge.transcript.events import ChatEvent

SECONDS: Final = 8.0
LIMIT: Final = 4_000
CHAT, OTHER = "0000TEST00000001", "0000OTHER0000001"
ALICE, BORIS = "00A1", "00A2"
NUMBER, WORDS = "4111 1111", "hello"


class HoldingInbox:
    """An inbox that holds back for eight seconds, and counts how often reading was paused and resumed."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.calls: list[str] = []
        self.inbox = Inbox(LIMIT, lambda: self.calls.append("pause"), lambda: self.calls.append("resume"), seconds)
        self.now = 0.0
        self._ids = 0

    def update(self, *texts: str, chat: str = CHAT, user: str = ALICE, over: bool = False) -> TranscriptUpdate:
        """Put messages of one party, a second after what was put last."""
        events: list[ChatEvent] = []
        for text in texts:
            self._ids += 1
            events.append(said(self._ids, text, user))
        one = TranscriptUpdate(ChatTranscript(chat, chat_event_list=events), over, snapshot=False)
        self.put(one)
        return one

    def put(self, one: Input, size: int = 10) -> None:
        """Put an input, a second after the last one."""
        self.now += 1.0
        self.inbox.put(one, size, self.now)

    def taken(self, now: float | None = None) -> list[Input]:
        """Commit what may be taken at a time, by default when the last input was put."""
        self.inbox.release_due(self.now if now is None else now)
        found = []
        while len(self.inbox):
            found += self.inbox.take(10**6)
            self.inbox.settle()
        return found


@pytest.fixture
def holding() -> HoldingInbox:
    return HoldingInbox()


def test_a_message_that_ends_with_digits_waits_and_so_does_what_comes_after_it_for_the_chat(
    holding: HoldingInbox,
) -> None:
    first, second = holding.update(NUMBER), holding.update(WORDS, user=BORIS)
    other = holding.update(WORDS, chat=OTHER)
    assert holding.taken() == [other]
    assert (holding.inbox.uncommitted, holding.inbox.updates, holding.inbox.bytes) == (2, 2, 20)
    assert holding.taken(8.9) == []
    assert holding.inbox.rest(8.5) == pytest.approx(0.5)
    assert holding.taken(9.0) == [first, second]
    assert (holding.inbox.uncommitted, holding.inbox.bytes, holding.inbox.rest(9.0)) == (0, 0, float("inf"))


def test_it_waits_no_longer_when_its_party_says_what_no_number_begins_with(holding: HoldingInbox) -> None:
    waiting = [holding.update(NUMBER), holding.update(NUMBER), holding.update(WORDS, user=BORIS)]
    assert holding.taken() == []
    waiting.append(holding.update("1111 thanks, that is all that is on it: I do hope that it is enough, else call me!"))
    assert holding.taken() == waiting


def test_each_message_waits_from_its_own_arrival_on_and_what_is_behind_it_is_told(holding: HoldingInbox) -> None:
    first, second = holding.update(NUMBER), holding.update(NUMBER)
    holding.update(NUMBER, chat=OTHER)
    assert holding.taken(9.0) == [first]
    assert holding.inbox.behind([first]) == [second]
    third = holding.update(WORDS)
    assert holding.taken() == [second, third]


def test_a_party_that_waits_for_nothing_does_not_let_another_one_through(holding: HoldingInbox) -> None:
    waiting = [holding.update(NUMBER), holding.update(NUMBER, user=BORIS), holding.update(WORDS, user=BORIS)]
    assert holding.taken() == []
    waiting.append(holding.update(WORDS))
    assert holding.taken() == waiting


def test_messages_count_in_the_order_of_their_ids(holding: HoldingInbox) -> None:
    one = TranscriptUpdate(
        ChatTranscript(CHAT, chat_event_list=[said(2, WORDS, ALICE), said(1, NUMBER, ALICE)]), over=False, snapshot=True
    )
    holding.put(one)
    assert holding.taken() == [one]


@pytest.mark.parametrize(
    "last",
    [
        TranscriptUpdate(ChatTranscript(CHAT), over=True, snapshot=False),
        TranscriptUpdate(ChatTranscript(CHAT), over=False, snapshot=True, waiting=InParts([[said(9)]])),
        JoinRefused(CHAT, 0, A_REFUSAL, Verdict.GONE),
        ErasureRequested(CHAT, StoredPlace(8), "request-1", 1),
    ],
)
def test_nothing_waits_behind_the_end_of_a_chat_nor_for_its_erasure(holding: HoldingInbox, last: Input) -> None:
    first = holding.update(NUMBER)
    holding.put(last)
    taken = holding.taken()
    assert taken[:1] == [first]
    assert [type(one) for one in taken[1:]] == [type(last)]
    assert (holding.inbox.uncommitted, holding.inbox.bytes) == (0, 0)


@pytest.mark.parametrize(
    "lost",
    [
        LinkDown(CHAT, A_REFUSAL),
        JoinRefused(CHAT, 0, A_REFUSAL, Verdict.RETRY),
        QuarantinedInput("chat-1:4800", b"{", A_REFUSAL, 1, CHAT, attributed=True),
    ],
)
def test_what_is_told_of_a_chat_keeps_its_place(holding: HoldingInbox, lost: Input) -> None:
    first = holding.update(NUMBER)
    holding.put(lost)
    assert holding.taken() == []
    assert holding.taken(9.0) == [first, lost]


def test_announcements_and_chats_of_which_nothing_waits_pass(holding: HoldingInbox) -> None:
    holding.update(NUMBER)
    passing: list[Input] = [
        Announced(0, b"", None, Announcement(session_id=CHAT, host="chat-2", port=4800)),
        LinkDown(OTHER, A_REFUSAL),
        QuarantinedInput("chat-1:4800", b"{", A_REFUSAL, 1),
    ]
    for one in passing:
        holding.put(one)
    assert holding.taken() == passing


def test_all_is_let_through_once_nothing_is_to_wait_any_more(holding: HoldingInbox) -> None:
    waiting = [holding.update(NUMBER), holding.update(NUMBER, chat=OTHER)]
    holding.inbox.release()
    assert holding.taken() == waiting
    after = holding.update(NUMBER)
    assert holding.taken() == [after]


def test_a_quarter_of_the_limit_may_wait_and_then_the_oldest_does_no_longer(holding: HoldingInbox) -> None:
    chats = [f"0000TEST{number:08}" for number in range(6)]
    updates = []
    for chat in chats:
        one = TranscriptUpdate(ChatTranscript(chat, chat_event_list=[said(1, NUMBER)]), over=False, snapshot=False)
        updates.append(one)
        holding.put(one, LIMIT // 16)
    assert holding.taken() == updates[:2]
    assert holding.inbox.bytes == 4 * LIMIT // 16
    assert holding.calls == []


def test_what_waits_counts_as_what_pauses_reading(holding: HoldingInbox) -> None:
    holding.update(NUMBER)
    holding.put(LinkDown(OTHER, A_REFUSAL), LIMIT)
    assert holding.calls == ["pause"]
    assert len(holding.taken()) == 1
    assert holding.calls == ["pause", "resume"]


def test_the_age_is_that_of_what_waits_and_a_transaction_has_that_of_its_own_inputs(holding: HoldingInbox) -> None:
    holding.update(NUMBER)
    holding.update(WORDS, chat=OTHER)
    holding.inbox.take(1_000)
    assert (holding.inbox.age(5.0), holding.inbox.age_of_taken(5.0)) == (4.0, 3.0)
    assert holding.inbox.held_at == [2.0]
    holding.inbox.settle()
    assert holding.inbox.age(5.0) == 4.0


def test_without_it_nothing_waits_and_nobody_looks_ahead() -> None:
    holding = HoldingInbox(0.0)
    first, second = holding.update(NUMBER), holding.update(NUMBER)
    assert holding.inbox.behind([first]) is None
    assert holding.taken() == [first, second]


def test_what_is_queued_for_a_chat_and_not_taken_is_behind_what_is_taken(holding: HoldingInbox) -> None:
    first, second = holding.update(WORDS), holding.update(WORDS)
    holding.update(WORDS, chat=OTHER)
    assert holding.inbox.take(10) == [first]
    assert holding.inbox.behind([first]) == [second]


@given(
    st.lists(
        st.tuples(st.sampled_from([CHAT, OTHER]), st.sampled_from([ALICE, BORIS]), st.sampled_from([NUMBER, WORDS])),
        max_size=40,
    ),
    st.lists(st.integers(0, 3), max_size=40),
)
def test_whatever_comes_is_taken_once_in_the_order_of_its_chat_and_in_time(
    told: list[tuple[str, str, str]], pauses: list[int]
) -> None:
    holding = HoldingInbox()
    put: list[tuple[TranscriptUpdate, float]] = []
    taken: list[Input] = []
    for number, (chat, user, text) in enumerate(told):
        put.append((holding.update(text, chat=chat, user=user), holding.now))
        holding.now += pauses[number] if number < len(pauses) else 0
        taken += holding.taken()
        late = [one for one, at in put if at + SECONDS <= holding.now and one not in taken]
        assert late == []
    taken += holding.taken(holding.now + SECONDS)
    for chat in (CHAT, OTHER):
        assert [one for one in taken if isinstance(one, TranscriptUpdate) and one.session_id == chat] == [
            one for one, _ in put if one.session_id == chat
        ]
    assert (holding.inbox.uncommitted, holding.inbox.bytes) == (0, 0)
