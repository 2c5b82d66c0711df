"""Links that survive, as pure logic: which server is tried next, when, how often, and when a chat is given up."""

from __future__ import annotations

import asyncio

import pytest

from tests.capture.virtual_servers import VirtualServers, play

CHAT = "0000ROAD00000001"
OTHER = "0000ROAD00000002"
NO_SUCH_USER, LOGGED_OUT, WRONG_KEY, UNHEARD_OF = 8201, 8209, 8210, 8999
A, B, C = "chat-a:4800", "chat-b:4800", "chat-c:4800"


def test_a_lost_server_is_tried_again_at_once_then_every_ten_seconds_fifteen_times_in_all() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(CHAT, A)
        servers[A].dies()
        lost, before = servers.clock.monotonic(), len(servers[A].connected)
        await asyncio.sleep(300)
        tries = [at - lost for at in servers[A].connected[before:]]
        pauses = [after - at for at, after in zip([0.0, *tries], tries, strict=False)]
        assert len(tries) == 14  # the loss itself is the first of fifteen failures
        assert pauses[0] == pytest.approx(0.5, rel=0.21)
        assert all(pause == pytest.approx(10, rel=0.21) for pause in pauses[1:])
        assert len({round(pause, 3) for pause in pauses}) == len(pauses), "no jitter"
        assert servers.given_up() == [(CHAT, 0)]
        assert servers.away() == [CHAT]

    play(scene())


def test_a_server_that_comes_back_is_found_by_the_next_attempt() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(CHAT, A)
        servers[A].dies()
        await asyncio.sleep(60)
        assert servers.where(CHAT) is None
        servers[A].up = True
        await asyncio.sleep(12.5)
        assert servers.where(CHAT) == A
        assert (servers.given_up(), servers.seen()) == ([], [CHAT, CHAT])

    play(scene())


def test_a_fresh_loss_is_answered_at_once_by_the_next_server_of_the_list() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        await servers.joined(CHAT, A, B)
        servers[A].dies()
        lost = servers.clock.monotonic()
        await asyncio.sleep(0.1)
        assert servers.where(CHAT) == B
        assert servers[B].connected[0] - lost < 0.01

    play(scene())


def test_the_whole_list_is_gone_through_before_anybody_waits() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B, C)
        await servers.joined(CHAT, A, B, C)
        for server in (A, B, C):
            servers[server].dies()
        lost = servers.clock.monotonic()
        await asyncio.sleep(1000)
        tries = sorted((at - lost, name) for name in (A, B, C) for at in servers[name].connected if at >= lost)
        assert [name for _, name in tries[:6]] == [B, C, A, B, C, A]
        assert tries[1][0] < 0.1  # B and C at once
        assert 0.3 < tries[2][0] < 0.7  # then a short breath
        assert tries[4][0] - tries[2][0] < 0.1
        assert 7.9 < tries[5][0] - tries[4][0] < 12.1  # then the whole delay
        assert len(tries) == 3 * 15 - 1
        assert servers.given_up() == [(CHAT, 0)]

    play(scene())


def test_a_chat_whose_link_only_blinked_is_found_again_although_its_backup_does_not_know_it() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        servers[B].refuses[CHAT] = NO_SUCH_USER
        await servers.joined(CHAT, A, B)
        servers[A].drops()
        await asyncio.sleep(1)
        assert servers.where(CHAT) == A
        assert servers.given_up() == []

    play(scene())


def test_an_unreachable_server_has_not_said_that_the_chat_is_over() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        servers[B].refuses[CHAT] = NO_SUCH_USER
        await servers.joined(CHAT, A, B)
        servers[A].dies()
        await asyncio.sleep(40)
        assert servers.given_up() == []
        servers[B].refuses.clear()  # it has restored the chat
        await asyncio.sleep(12.5)
        assert servers.where(CHAT) == B

    play(scene())


def test_a_chat_that_no_server_of_the_list_has_is_given_up_after_one_round() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        servers[A].refuses[CHAT] = servers[B].refuses[CHAT] = NO_SUCH_USER
        servers.follow(CHAT, A, B)
        await asyncio.sleep(0.5)
        assert servers.given_up() == [(CHAT, NO_SUCH_USER)]
        assert (len(servers[A].joins), len(servers[B].joins)) == (1, 1)

    play(scene())


def test_a_chat_that_was_joined_is_looked_for_once_more_after_the_delay_before_it_counts_as_over() -> None:
    async def scene(*, restored: bool) -> None:
        servers = VirtualServers(A)
        await servers.joined(CHAT, A)
        servers[A].refuses[CHAT] = NO_SUCH_USER
        servers[A].drops()
        await asyncio.sleep(2)
        assert servers.given_up() == []
        if restored:
            servers[A].refuses.clear()
        await asyncio.sleep(12.5)
        assert servers.where(CHAT) == (A if restored else None)
        assert servers.given_up() == ([] if restored else [(CHAT, NO_SUCH_USER)])

    play(scene(restored=True))
    play(scene(restored=False))


@pytest.mark.parametrize(
    ("error", "asked"), [(NO_SUCH_USER, 1), (WRONG_KEY, 1), (LOGGED_OUT, 15), (UNHEARD_OF, 15)], ids=str
)
def test_a_refused_join_is_repeated_or_not_by_the_class_of_its_error(error: int, asked: int) -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        servers[A].refuses[CHAT] = error
        servers.follow(CHAT, A)
        await asyncio.sleep(300)
        assert len(servers[A].joins) == asked
        assert servers.given_up() == [(CHAT, error)]
        assert len(servers[A].connected) == 1  # a refused join is no reason to connect again

    play(scene())


def test_a_storm_makes_one_connection_attempt_at_a_time_for_all_chats() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        chats = [f"0000STORM{number:07}" for number in range(100)]
        for chat in chats:
            servers.follow(chat, A)
        await asyncio.sleep(1)
        servers[A].dies()
        before = len(servers[A].connected)
        await asyncio.sleep(100)
        assert len(servers[A].connected) - before <= 11
        servers[A].up = True
        await asyncio.sleep(13)
        assert all(servers.where(chat) == A for chat in chats)
        assert len(servers[A].connected) - before <= 13

    play(scene())


def test_a_rejoin_storm_of_five_hundred_chats_keeps_to_the_rate_limit_and_shows_who_waits() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, rate=10, peak=30)
        chats = [f"0000STORM{number:07}" for number in range(500)]
        for chat in chats:
            servers.follow(chat, A)
        await asyncio.sleep(100)
        assert servers.rate_limiter.waiting == 0
        servers[A].drops()
        before = len(servers[A].joins)
        await asyncio.sleep(1)
        assert 465 <= servers.rate_limiter.waiting <= 475
        await asyncio.sleep(59)
        assert servers.rate_limiter.waiting == 0
        times = [at for at, _ in servers[A].joins[before:]]
        assert len(times) == 500
        assert max(sum(start <= at < start + 1 for at in times) for start in times) <= 30
        assert times[-1] - times[0] == pytest.approx(48, abs=1.5)
        assert len(servers[A].wires) == 5

    play(scene())


def test_a_newer_announcement_wins_over_a_joined_server_a_waiting_attempt_and_a_place_in_the_line() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B, C, rate=1, peak=1)
        await servers.joined(CHAT, A)
        servers.follow(CHAT, B)
        await asyncio.sleep(2)
        assert (servers.where(CHAT), servers[A].left, servers.away()) == (B, [CHAT], [CHAT])

        servers[B].dies()
        await asyncio.sleep(5)  # some attempts at B were made, the next one is seconds away
        servers.follow(CHAT, C, B)
        await asyncio.sleep(2)
        assert servers.where(CHAT) == C

        for number in range(5):
            servers.follow(f"0000QUEUE{number:07}", A)
        servers.follow(OTHER, A)  # stands behind five others
        servers.follow(OTHER, B)
        servers[B].up = True
        await asyncio.sleep(2)
        assert servers.where(OTHER) == B
        await asyncio.sleep(10)
        assert OTHER not in [chat for _, chat in servers[A].joins]

    play(scene())


@pytest.mark.parametrize("error", [NO_SUCH_USER, WRONG_KEY])
def test_a_refusal_of_the_former_password_does_not_end_a_chat_that_was_announced_with_another(error: int) -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(OTHER, A)
        servers[A].mute = True
        servers.follow(CHAT, A)
        await asyncio.sleep(1)
        servers.follow(CHAT, A, password="announced while the answer is on its way")
        servers[A].mute = False
        [wire] = servers[A].wires
        wire.says(messageName="EventError", errorId=error, description="no", referenceId=3)
        await asyncio.sleep(5)
        assert (servers.where(CHAT), servers.given_up(), len(servers[A].joins)) == (A, [], 3)

    play(scene())


def test_an_announcement_that_says_nothing_new_changes_nothing() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(CHAT, A)
        servers[A].dies()
        for _ in range(60):
            await asyncio.sleep(5)
            if not servers.given_up():
                servers.follow(CHAT, A)
        assert servers.given_up() == [(CHAT, 0)]

    play(scene())


def test_a_chat_whose_end_is_still_to_be_committed_is_not_joined_again_when_the_shard_is_restored() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(CHAT, A)
        servers[A].ends(CHAT)
        await asyncio.sleep(1)
        servers.follow(CHAT, A)  # as after a failed transaction: the checkpoint says that it runs
        await asyncio.sleep(1)
        assert len(servers[A].joins) == 1
        servers.manager.forget(CHAT)  # the end is committed
        servers.follow(CHAT, A)
        await asyncio.sleep(1)
        assert len(servers[A].joins) == 2

    play(scene())


def test_a_half_open_connection_is_found_by_its_silence() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        await servers.joined(CHAT, A, B)
        servers[A].mute = True
        await asyncio.sleep(41)  # ping after 30 s, 10 s for the pong
        assert servers.where(CHAT) == B

    play(scene())


def test_a_link_that_is_opened_while_reading_is_paused_registers_joins_and_then_waits_in_peace() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        servers.manager.pause()
        servers.follow(CHAT, A)
        await asyncio.sleep(100)
        [wire] = servers[A].wires
        assert not wire.reading
        assert len(servers[A].joins) == 1
        assert wire.written < 15  # a sign of life now and then, and no timer that spins
        assert servers.given_up() == []
        servers.manager.resume()
        assert wire.reading

    play(scene())


def test_a_chat_that_is_forgotten_or_closed_is_left_with_keep_alive_and_asked_for_no_more() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(CHAT, A)
        await servers.joined(OTHER, A)
        servers.manager.forget(CHAT)
        assert servers[A].left == [CHAT]
        await servers.manager.close(leave=True)
        assert servers[A].left == [CHAT, OTHER]
        await asyncio.sleep(100)
        assert len(servers[A].joins) == 2
        assert servers.given_up() == []

    play(scene())


def test_servers_that_nobody_asks_for_any_more_are_forgotten() -> None:
    def server_queues() -> set[str]:
        return {name for task in asyncio.all_tasks() if (name := task.get_name()).startswith("queue ")}

    async def scene() -> None:
        gone = [f"gone-{number}:4800" for number in range(50)]
        servers = VirtualServers(A, *gone, rate=10, peak=30)
        await servers.joined(CHAT, A)
        for number, name in enumerate(gone):
            servers.follow(f"0000ROAD1{number:07}", name)
        await asyncio.sleep(1)
        assert (len(server_queues()), servers.rate_limiter.remembered) == (51, 50)  # the one in use has caught up
        for name in gone:
            servers[name].dies()
        await asyncio.sleep(300)
        assert len(servers.given_up()) == 50
        servers.follow(OTHER, A)
        await asyncio.sleep(1)
        assert (server_queues(), servers.rate_limiter.remembered) == ({f"queue {A}"}, 1)
        servers.follow("0000ROAD00000003", gone[0])
        servers[gone[0]].up = True
        await asyncio.sleep(1)
        assert servers.where("0000ROAD00000003") == gone[0]

    play(scene())
