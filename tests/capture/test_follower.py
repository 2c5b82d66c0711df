"""Links that survive, as pure logic: which server is tried next, when, how often, and when a chat is given up."""

from __future__ import annotations

import asyncio

import pytest

from tests.capture.street import Street, play

CHAT = "0000ROAD00000001"
OTHER = "0000ROAD00000002"
NO_SUCH_USER, LOGGED_OUT, WRONG_KEY, UNHEARD_OF = 8201, 8209, 8210, 8999
A, B, C = "chat-a:4800", "chat-b:4800", "chat-c:4800"


def test_a_lost_server_is_tried_again_at_once_then_every_ten_seconds_fifteen_times_in_all() -> None:
    async def scene() -> None:
        street = Street(A)
        await street.joined(CHAT, A)
        street[A].dies()
        lost, before = street.clock.monotonic(), len(street[A].connected)
        await asyncio.sleep(300)
        tries = [at - lost for at in street[A].connected[before:]]
        pauses = [after - at for at, after in zip([0.0, *tries], tries, strict=False)]
        assert len(tries) == 14  # the loss itself is the first of fifteen failures
        assert pauses[0] == pytest.approx(0.5, rel=0.21)
        assert all(pause == pytest.approx(10, rel=0.21) for pause in pauses[1:])
        assert len({round(pause, 3) for pause in pauses}) == len(pauses), "no jitter"
        assert street.given_up() == [(CHAT, 0)]
        assert street.away() == [CHAT]

    play(scene())


def test_a_server_that_comes_back_is_found_by_the_next_attempt() -> None:
    async def scene() -> None:
        street = Street(A)
        await street.joined(CHAT, A)
        street[A].dies()
        await asyncio.sleep(60)
        assert street.where(CHAT) is None
        street[A].up = True
        await asyncio.sleep(12.5)
        assert street.where(CHAT) == A
        assert (street.given_up(), street.seen()) == ([], [CHAT, CHAT])

    play(scene())


def test_a_fresh_loss_is_answered_at_once_by_the_next_server_of_the_list() -> None:
    async def scene() -> None:
        street = Street(A, B)
        await street.joined(CHAT, A, B)
        street[A].dies()
        lost = street.clock.monotonic()
        await asyncio.sleep(0.1)
        assert street.where(CHAT) == B
        assert street[B].connected[0] - lost < 0.01

    play(scene())


def test_the_whole_list_is_gone_through_before_anybody_waits() -> None:
    async def scene() -> None:
        street = Street(A, B, C)
        await street.joined(CHAT, A, B, C)
        for server in (A, B, C):
            street[server].dies()
        lost = street.clock.monotonic()
        await asyncio.sleep(1000)
        tries = sorted((at - lost, name) for name in (A, B, C) for at in street[name].connected if at >= lost)
        assert [name for _, name in tries[:6]] == [B, C, A, B, C, A]
        assert tries[1][0] < 0.1  # B and C at once
        assert 0.3 < tries[2][0] < 0.7  # then a short breath
        assert tries[4][0] - tries[2][0] < 0.1
        assert 7.9 < tries[5][0] - tries[4][0] < 12.1  # then the whole delay
        assert len(tries) == 3 * 15 - 1
        assert street.given_up() == [(CHAT, 0)]

    play(scene())


def test_a_chat_whose_link_only_blinked_is_found_again_although_its_backup_does_not_know_it() -> None:
    async def scene() -> None:
        street = Street(A, B)
        street[B].refuses[CHAT] = NO_SUCH_USER
        await street.joined(CHAT, A, B)
        street[A].drops()
        await asyncio.sleep(1)
        assert street.where(CHAT) == A
        assert street.given_up() == []

    play(scene())


def test_an_unreachable_server_has_not_said_that_the_chat_is_over() -> None:
    async def scene() -> None:
        street = Street(A, B)
        street[B].refuses[CHAT] = NO_SUCH_USER
        await street.joined(CHAT, A, B)
        street[A].dies()
        await asyncio.sleep(40)
        assert street.given_up() == []
        street[B].refuses.clear()  # it has restored the chat
        await asyncio.sleep(12.5)
        assert street.where(CHAT) == B

    play(scene())


def test_a_chat_that_no_server_of_the_list_has_is_given_up_after_one_round() -> None:
    async def scene() -> None:
        street = Street(A, B)
        street[A].refuses[CHAT] = street[B].refuses[CHAT] = NO_SUCH_USER
        street.follow(CHAT, A, B)
        await asyncio.sleep(0.5)
        assert street.given_up() == [(CHAT, NO_SUCH_USER)]
        assert (len(street[A].joins), len(street[B].joins)) == (1, 1)

    play(scene())


def test_a_chat_that_was_joined_is_looked_for_once_more_after_the_delay_before_it_counts_as_over() -> None:
    async def scene(*, restored: bool) -> None:
        street = Street(A)
        await street.joined(CHAT, A)
        street[A].refuses[CHAT] = NO_SUCH_USER
        street[A].drops()
        await asyncio.sleep(2)
        assert street.given_up() == []
        if restored:
            street[A].refuses.clear()
        await asyncio.sleep(12.5)
        assert street.where(CHAT) == (A if restored else None)
        assert street.given_up() == ([] if restored else [(CHAT, NO_SUCH_USER)])

    play(scene(restored=True))
    play(scene(restored=False))


@pytest.mark.parametrize(
    ("error", "asked"), [(NO_SUCH_USER, 1), (WRONG_KEY, 1), (LOGGED_OUT, 15), (UNHEARD_OF, 15)], ids=str
)
def test_a_refused_join_is_repeated_or_not_by_the_class_of_its_error(error: int, asked: int) -> None:
    async def scene() -> None:
        street = Street(A)
        street[A].refuses[CHAT] = error
        street.follow(CHAT, A)
        await asyncio.sleep(300)
        assert len(street[A].joins) == asked
        assert street.given_up() == [(CHAT, error)]
        assert len(street[A].connected) == 1  # a refused join is no reason to connect again

    play(scene())


def test_a_storm_makes_one_connection_attempt_at_a_time_for_all_chats() -> None:
    async def scene() -> None:
        street = Street(A)
        chats = [f"0000STORM{number:07}" for number in range(100)]
        for chat in chats:
            street.follow(chat, A)
        await asyncio.sleep(1)
        street[A].dies()
        before = len(street[A].connected)
        await asyncio.sleep(100)
        assert len(street[A].connected) - before <= 11
        street[A].up = True
        await asyncio.sleep(13)
        assert all(street.where(chat) == A for chat in chats)
        assert len(street[A].connected) - before <= 13

    play(scene())


def test_a_rejoin_storm_of_five_hundred_chats_keeps_to_the_budget_and_shows_who_waits() -> None:
    async def scene() -> None:
        street = Street(A, rate=10, peak=30)
        chats = [f"0000STORM{number:07}" for number in range(500)]
        for chat in chats:
            street.follow(chat, A)
        await asyncio.sleep(100)
        assert street.budget.waiting == 0
        street[A].drops()
        before = len(street[A].joins)
        await asyncio.sleep(1)
        assert 465 <= street.budget.waiting <= 475
        await asyncio.sleep(59)
        assert street.budget.waiting == 0
        times = [at for at, _ in street[A].joins[before:]]
        assert len(times) == 500
        assert max(sum(start <= at < start + 1 for at in times) for start in times) <= 30
        assert times[-1] - times[0] == pytest.approx(48, abs=1.5)
        assert len(street[A].wires) == 5

    play(scene())


def test_a_newer_announcement_wins_over_a_joined_server_a_waiting_attempt_and_a_place_in_the_line() -> None:
    async def scene() -> None:
        street = Street(A, B, C, rate=1, peak=1)
        await street.joined(CHAT, A)
        street.follow(CHAT, B)
        await asyncio.sleep(2)
        assert (street.where(CHAT), street[A].left, street.away()) == (B, [CHAT], [CHAT])

        street[B].dies()
        await asyncio.sleep(5)  # some attempts at B were made, the next one is seconds away
        street.follow(CHAT, C, B)
        await asyncio.sleep(2)
        assert street.where(CHAT) == C

        for number in range(5):
            street.follow(f"0000QUEUE{number:07}", A)
        street.follow(OTHER, A)  # stands behind five others
        street.follow(OTHER, B)
        street[B].up = True
        await asyncio.sleep(2)
        assert street.where(OTHER) == B
        await asyncio.sleep(10)
        assert OTHER not in [chat for _, chat in street[A].joins]

    play(scene())


def test_an_announcement_that_says_nothing_new_changes_nothing() -> None:
    async def scene() -> None:
        street = Street(A)
        await street.joined(CHAT, A)
        street[A].dies()
        for _ in range(60):
            await asyncio.sleep(5)
            if not street.given_up():
                street.follow(CHAT, A)
        assert street.given_up() == [(CHAT, 0)]

    play(scene())


def test_a_chat_whose_end_is_still_to_be_committed_is_not_joined_again_when_the_shard_is_restored() -> None:
    async def scene() -> None:
        street = Street(A)
        await street.joined(CHAT, A)
        street[A].ends(CHAT)
        await asyncio.sleep(1)
        street.follow(CHAT, A)  # as after a failed transaction: the checkpoint says that it runs
        await asyncio.sleep(1)
        assert len(street[A].joins) == 1
        street.follower.forget(CHAT)  # the end is committed
        street.follow(CHAT, A)
        await asyncio.sleep(1)
        assert len(street[A].joins) == 2

    play(scene())


def test_a_half_open_connection_is_found_by_its_silence() -> None:
    async def scene() -> None:
        street = Street(A, B)
        await street.joined(CHAT, A, B)
        street[A].mute = True
        await asyncio.sleep(41)  # ping after 30 s, 10 s for the pong
        assert street.where(CHAT) == B

    play(scene())


def test_a_link_that_is_opened_while_reading_is_paused_registers_joins_and_then_waits_in_peace() -> None:
    async def scene() -> None:
        street = Street(A)
        street.follower.pause()
        street.follow(CHAT, A)
        await asyncio.sleep(100)
        [wire] = street[A].wires
        assert not wire.reading
        assert len(street[A].joins) == 1
        assert wire.written < 15  # a sign of life now and then, and no timer that spins
        assert street.given_up() == []
        street.follower.resume()
        assert wire.reading

    play(scene())


def test_a_chat_that_is_forgotten_or_closed_is_left_with_keep_alive_and_asked_for_no_more() -> None:
    async def scene() -> None:
        street = Street(A)
        await street.joined(CHAT, A)
        await street.joined(OTHER, A)
        street.follower.forget(CHAT)
        assert street[A].left == [CHAT]
        await street.follower.close(leave=True)
        assert street[A].left == [CHAT, OTHER]
        await asyncio.sleep(100)
        assert len(street[A].joins) == 2
        assert street.given_up() == []

    play(scene())


def test_servers_that_nobody_asks_for_any_more_are_forgotten() -> None:
    def lanes() -> set[str]:
        return {name for task in asyncio.all_tasks() if (name := task.get_name()).startswith("lane ")}

    async def scene() -> None:
        gone = [f"gone-{number}:4800" for number in range(50)]
        street = Street(A, *gone, rate=10, peak=30)
        await street.joined(CHAT, A)
        for number, name in enumerate(gone):
            street.follow(f"0000ROAD1{number:07}", name)
        await asyncio.sleep(1)
        assert (len(lanes()), street.budget.remembered) == (51, 50)  # the one in use has caught up
        for name in gone:
            street[name].dies()
        await asyncio.sleep(300)
        assert len(street.given_up()) == 50
        street.follow(OTHER, A)
        await asyncio.sleep(1)
        assert (lanes(), street.budget.remembered) == ({f"lane {A}"}, 1)
        street.follow("0000ROAD00000003", gone[0])
        street[gone[0]].up = True
        await asyncio.sleep(1)
        assert street.where("0000ROAD00000003") == gone[0]

    play(scene())
