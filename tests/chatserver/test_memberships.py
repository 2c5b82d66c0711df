"""What a connection does with the messages of chats that have ended, were left, or are being joined."""

from __future__ import annotations

import pytest

from bridge.chatserver import conversation_reasons as reasons
from bridge.chatserver.memberships import HELD_BYTES, REMEMBERED
from bridge.chatserver.messages import EventError
from bridge.transcript.input_codes import STRAY
from bridge.transcript.updates import Verdict
from tests.chatserver.talk import Talk, info

# --- after Over ------------------------------------------------------------------------------------------------------


def test_pushes_that_come_one_by_one_and_are_each_marked_over_are_all_delivered() -> None:
    talk = Talk("A")
    assert talk.hears(info("A", 2, status="Over"), info("A", 3, status="Over"), info("A", 4)) == [
        ("A", [2], False, True),
        ("A", [3], False, True),
        ("A", [4], False, False),
    ]
    assert talk.conversation.load == 0


def test_what_comes_after_an_over_in_the_answer_to_the_join_is_delivered() -> None:
    talk = Talk()
    reference = talk.join("A")
    assert talk.hears(info("A", 1, reference=reference, status="Over"), info("A", 2, status="Over")) == [
        ("A", [1], True, True),
        ("A", [2], False, True),
    ]


def test_a_chat_that_has_ended_is_not_left() -> None:
    talk = Talk("A")
    talk.hears(info("A", 2, status="Over"))
    talk.conversation.leave("A")
    assert talk.conversation.requests() == []
    assert talk.hears(info("A", 3)) == [("A", [3], False, False)]


def test_a_chat_that_has_ended_can_be_joined_again() -> None:
    talk = Talk("A")
    talk.hears(info("A", 2, status="Over"))
    reference = talk.join("A")
    assert talk.hears(info("A", 3), info("A", 1, 2, reference=reference)) == [
        ("A", [1, 2], True, False),
        ("A", [3], False, False),
    ]
    assert talk.conversation.is_joined("A")


def test_the_memory_of_chats_that_have_ended_or_were_left_is_bounded_and_the_oldest_is_forgotten() -> None:
    talk = Talk("A", "L")
    talk.hears(info("A", 2, status="Over"))
    talk.leave("L")
    for number in range(2 * REMEMBERED):
        session = f"chat {number}"
        talk.hears(info(session, 1, reference=talk.join(session)))
        if number % 2:
            talk.hears(info(session, 2, status="Over"))
        else:
            talk.leave(session)
    stranger = STRAY
    assert talk.hears(info("A", 3), info("L", 3)) == [("A", stranger, False), ("L", stranger, False)]
    oldest = f"chat {REMEMBERED + 1}"
    assert talk.hears(info(oldest, 3)) == [(oldest, [3], False, False)]
    assert talk.conversation._chats.remembered == REMEMBERED


def test_releases_that_are_never_answered_are_not_remembered_without_end() -> None:
    talk = Talk()
    for _ in range(REMEMBERED + 1):
        talk.hears(info("A", 1, reference=talk.join("A")))
        talk.leave("A")
    assert talk.conversation._chats.remembered == REMEMBERED


# --- releases --------------------------------------------------------------------------------------------------------


def test_a_release_answered_with_over_does_not_end_a_chat_that_was_joined_again() -> None:
    talk = Talk("A")
    release = talk.leave("A")
    again = talk.join("A")
    assert talk.hears(info("A", 1, reference=again), info("A", 2, reference=release, status="Over")) == [
        ("A", [1], True, False),
        ("A", [2], False, False),
    ]
    assert talk.conversation.is_joined("A")
    assert talk.hears(info("A", 3, status="Over")) == [("A", [3], False, True)]


def test_a_release_answered_with_over_does_not_end_a_chat_that_is_being_joined_again() -> None:
    talk = Talk("A")
    release = talk.leave("A")
    again = talk.join("A")
    assert talk.hears(info("A", 2, reference=release, status="Over"), info("A", 1, reference=again)) == [
        ("A", [1], True, False),
        ("A", [2], False, False),
    ]
    assert talk.conversation.is_joined("A")


def test_only_the_first_answer_of_a_release_and_only_for_its_chat_is_one() -> None:
    talk = Talk("A", "B")
    release = talk.leave("A")
    assert talk.hears(info("B", 2, reference=release, status="Over")) == [("B", [2], False, True)]
    talk.hears(info("A", 1, reference=talk.join("A")))
    talk.hears(info("A", 2, reference=release, status="Over"))
    assert talk.hears(info("A", 3, reference=release, status="Over")) == [("A", [3], False, True)]


def test_a_release_that_is_answered_with_an_error_is_answered() -> None:
    talk = Talk("A")
    release = talk.leave("A")
    assert talk.hears(EventError(8201, "no such session", release)) == []
    assert talk.conversation._chats.remembered == 1  # the chat that was left, and no release


# --- pushes that were held -------------------------------------------------------------------------------------------


def test_pushes_that_were_held_for_a_join_come_before_its_refusal() -> None:
    talk = Talk()
    reference = talk.join("A")
    assert talk.hears(info("A", 5), info("A", 6, status="Over"), EventError(8201, "no", reference)) == [
        ("A", [5], False, False),
        ("A", [6], False, False),  # without the history its end cannot be certified
        ("A", Verdict.GONE),
    ]


def test_pushes_that_were_held_for_a_join_come_before_its_time_out() -> None:
    talk = Talk()
    talk.join("A")
    talk.hears(info("A", 5))
    talk.conversation.on_timer(10.0)
    assert talk.learnt() == [("A", [5], False, False), ("A", Verdict.RETRY)]


def test_pushes_that_were_held_for_a_join_are_told_when_its_connection_ends_or_its_chat_is_left() -> None:
    for end in ("closed", "silence", "left"):
        talk = Talk()
        talk.join("A")
        assert talk.hears(info("A", 5), info("A", 6, status="Over")) == []
        if end == "closed":
            talk.conversation.closed()
            assert talk.learnt() == [("A", [5], False, False), ("A", [6], False, False)]
        elif end == "left":
            talk.leave("A")
            assert talk.learnt() == [("A", [5], False, False), ("A", [6], False, False)]
        else:
            talk.conversation._end(reasons.silent(10))
            assert talk.learnt()[:2] == [("A", [5], False, False), ("A", [6], False, False)]
            talk.conversation.closed()
            assert talk.learnt() == []


def test_pushes_that_were_held_for_a_join_come_before_it_is_refused_for_a_wrong_answer() -> None:
    talk = Talk()
    reference = talk.join("A")
    assert talk.hears(info("A", 5), info("Z", 1, reference=reference)) == [
        ("Z", STRAY, False),
        ("A", [5], False, False),
        ("A", Verdict.RETRY),
    ]


def test_pushes_beyond_what_is_held_for_a_join_are_delivered_with_the_others() -> None:
    talk = Talk()
    talk.join("A")
    assert talk.hears(info("A", 5), size=HELD_BYTES) == []
    assert talk.hears(info("A", 6), size=1) == [
        ("A", [5], False, False),
        ("A", [6], False, False),
        ("A", Verdict.RETRY),
    ]
    assert talk.conversation.load == 0


def test_what_is_held_is_bounded_for_all_joins_of_a_connection_together_and_the_largest_pays() -> None:
    talk = Talk()
    references = [talk.join(session) for session in ("A", "B", "C")]
    assert talk.hears(info("A", 5), size=HELD_BYTES // 3) == []
    assert talk.hears(info("B", 5), size=HELD_BYTES // 2) == []
    assert talk.hears(info("C", 5), size=HELD_BYTES // 3) == [("B", [5], False, False), ("B", Verdict.RETRY)]
    assert talk.conversation.load == 2
    assert talk.hears(info("A", 1, reference=references[0]), info("C", 1, reference=references[2])) == [
        ("A", [1], True, False),
        ("A", [5], False, False),
        ("C", [1], True, False),
        ("C", [5], False, False),
    ]


@pytest.mark.parametrize("over", [0, 1, 2], ids=["history", "first", "last"])
def test_a_chat_that_is_over_when_its_history_comes_ends_with_the_last_push_that_was_held(over: int) -> None:
    talk = Talk()
    reference = talk.join("A")
    status = ["Alive"] * 3
    status[over] = "Over"
    pushed = [info("A", 5, status=status[1]), info("A", 6, status=status[2])]
    assert talk.hears(*pushed, info("A", 1, reference=reference, status=status[0])) == [
        ("A", [1], True, False),
        ("A", [5], False, False),
        ("A", [6], False, True),
    ]
    assert talk.conversation.load == 0
    assert talk.hears(info("A", 7)) == [("A", [7], False, False)]


# --- references of others --------------------------------------------------------------------------------------------


def test_a_push_that_carries_another_joins_reference_belongs_to_its_chat_and_the_join_waits() -> None:
    talk = Talk("A")
    reference = talk.join("B")
    assert talk.hears(info("A", 2, reference=reference)) == [("A", [2], False, False)]
    assert talk.conversation.load == 2
    assert talk.hears(info("B", 1, reference=reference)) == [("B", [1], True, False)]


def test_a_push_for_a_chat_that_has_ended_may_carry_another_joins_reference() -> None:
    talk = Talk("A")
    talk.hears(info("A", 2, status="Over"))
    reference = talk.join("B")
    assert talk.hears(info("A", 3, reference=reference)) == [("A", [3], False, False)]
    assert talk.conversation.load == 1


def test_a_push_for_a_chat_that_is_being_joined_may_carry_another_joins_reference() -> None:
    talk = Talk()
    of_a, of_b = talk.join("A"), talk.join("B")
    assert talk.hears(info("A", 5, reference=of_b)) == []
    assert talk.hears(info("A", 1, reference=of_a)) == [("A", [1], True, False), ("A", [5], False, False)]
    assert talk.conversation.load == 2


def test_a_push_for_a_chat_that_was_left_is_dropped_whatever_reference_it_carries() -> None:
    talk = Talk("A")
    talk.leave("A")
    reference = talk.join("B")
    assert talk.hears(info("A", 3, reference=reference)) == []
    assert talk.conversation.load == 1
