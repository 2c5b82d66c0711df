"""CPU per event of reading: bytes of the simulator's model to updates in an inbox, a line per read.

As at 500 events a second: what arrives is one line with one event. Sockets and the event loop are left out, and what
takes inputs from the inbox is in. `python -m tests.bench.reading_costs` prints the form of the core and
the median.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.adapters.clock import SystemClock
from bridge.capture.inbox import Inbox, memory_of
from bridge.chatserver.connection_settings import ConnectionSettings
from bridge.chatserver.messages import EventRegistered, EventSessionInfo
from bridge.chatserver.psdk_json import client_wire, encode
from bridge.core_form import core_form
from bridge.simulator.model.effects import Push
from bridge.simulator.model.model_settings import ModelSettings
from bridge.simulator.model.session_parties import PartySpec
from bridge.simulator.model.sessions import Sessions
from bridge.simulator.traffic.actions import perform
from bridge.simulator.traffic.scenario import ScenarioSettings, scenario
from bridge.sources.chat_server.history_turn import HistoryTurn
from bridge.sources.chat_server.link import Link
from bridge.transcript.events import BASIC, SUPERVISOR, VIP, UserInfo
from tests.capture.link_surroundings import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.errors import Problem
    from bridge.transcript.updates import Update

CHATS: Final = 12
ROUNDS: Final = 15
TAKEN_AT_A_TIME: Final = 20
_START: Final = 1_930_000_000
_OF_A_CHAT: Final = ScenarioSettings(seed=5, mean_events=150)
_WITHOUT_LIMIT: Final = 2**62


class InboxOwner:
    """The owner of a link that puts what it learns into an inbox, as a shard does."""

    def __init__(self) -> None:
        self.history_turn = HistoryTurn()
        self.inbox = Inbox(_WITHOUT_LIMIT, lambda: None, lambda: None)
        self.clock = SystemClock()

    def update_received(self, _link: Link, update: Update, size: int) -> None:
        self.inbox.put(update, memory_of(size), self.clock.monotonic())

    def registered(self, _link: Link) -> None:
        pass

    def ended(self, _link: Link, reason: Problem, *, refused: bool) -> None:
        raise AssertionError(f"{reason.code}, refused: {refused}")

    def closed(self, _link: Link) -> None:
        pass

    def defect_found(self, _link: Link, error: Exception) -> None:
        raise error


def messages(number: int) -> Iterator[EventSessionInfo]:
    """Yield what the bridge is sent of a chat that it joins at once: the history first."""
    chat, sessions, now = scenario(_OF_A_CHAT, number), Sessions(ModelSettings(), random.Random(1)), float(_START)
    monitor = PartySpec(UserInfo("bridge", SUPERVISOR, protocol_type=BASIC), visibility=VIP)
    for place, (delay, action) in enumerate(chat.steps):
        now += delay
        effects = perform(action, sessions, chat.session_id, now)
        if not place:
            effects += sessions.join(chat.session_id, monitor, now, connection=1, trusted=True)
        for effect in effects:
            if isinstance(effect, Push) and isinstance(effect.message, EventSessionInfo):
                yield effect.message


async def seconds(chats: list[list[EventSessionInfo]]) -> tuple[float, int]:
    """Return the CPU time of reading the pushes of all chats in turn, and their number."""
    owner = InboxOwner()
    link = Link(ConnectionSettings("bridge", "", "chat-1:4800"), client_wire(), owner.clock, owner, paused=False)
    link.connection_made(Stream())
    link.data_received(encode(EventRegistered("00B1", 106, 1)))
    for reference, (history, *_) in enumerate(chats, 2):
        link.join(history.chat_transcript.session_id, None)
        link.data_received(encode(msgspec.structs.replace(history, reference_id=reference)))
    turns = chain.from_iterable(zip_longest(*(pushes[1:] for pushes in chats)))
    lines = [encode(push) for push in turns if push is not None]
    started = time.process_time()
    for line in lines:
        link.data_received(line)
        if len(owner.inbox) == TAKEN_AT_A_TIME:
            owner.inbox.take(_WITHOUT_LIMIT)
            owner.inbox.settle()
    used = time.process_time() - started
    link.close()
    return used, len(lines)


if __name__ == "__main__":
    sent = [list(messages(number)) for number in range(1, CHATS + 1)]
    found = [asyncio.run(seconds(sent)) for _ in range(ROUNDS + 1)][1:]
    print(core_form(), statistics.median(used / count for used, count in found) * 1e6)
