"""A worker that Kafka denies something asks again after pauses that grow, and goes on when it is allowed again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.errors import AccessDenied
from tests.capture.scripted_kafka import ScriptedAnnouncements, ScriptedRecord, ScriptedWriter
from tests.capture.virtual_engine import VirtualEngine, joined_at
from tests.capture.virtual_servers import play

A = "chat-1:4800"
ONE = "0000GONE00000001"
DENIED_SECONDS = 300
MOST = DENIED_SECONDS / 5
"""The longest pause is ten seconds, half of which is random."""
RETURNED_SECONDS = 15


class Denial:
    """In place of a call of a port, denies it for a while, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.denies = True

    def replacing(self, method: Any) -> Any:
        async def replacement(port: Any, *args: Any) -> Any:
            if not self.denies:
                return await method(port, *args)
            self.asked += 1
            await port._kafka.call()
            raise AccessDenied("scripted: denied")

        return replacement


@pytest.mark.parametrize(
    ("port", "call"),
    [(ScriptedAnnouncements, "start"), (ScriptedWriter, "open"), (ScriptedWriter, "checkpoints")],
    ids=["group", "writer", "checkpoints"],
)
def test_what_is_denied_is_asked_less_and_less_often_and_goes_on_when_it_is_allowed(
    monkeypatch: pytest.MonkeyPatch, port: type, call: str
) -> None:
    denial = Denial()
    monkeypatch.setattr(port, call, denial.replacing(getattr(port, call)))

    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            engine.kafka.announce(0, ONE, A)
            await asyncio.sleep(DENIED_SECONDS)
            assert 10 < denial.asked <= MOST
            assert "ACCESS_DENIED" in {one.code for one in worker.problems()}
            denial.denies = False
            await asyncio.sleep(RETURNED_SECONDS)
            assert (joined_at(worker, ONE), worker.problems()) == (A, [])

    play(scene())


def test_a_member_that_joins_and_may_not_read_does_so_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right to read a topic a member gets no partitions, and learns why after a fetch without records."""
    denied: list[ScriptedAnnouncements] = []

    async def assigned_nothing(member: ScriptedAnnouncements, _: object) -> None:
        member._kafka.open.add(member)

    async def second_is_denied(member: ScriptedAnnouncements, _: object) -> list[ScriptedRecord]:
        await member._kafka.call()
        denied.append(member)
        if denied.count(member) > 1:
            raise AccessDenied("scripted: denied")
        return []

    monkeypatch.setattr(ScriptedAnnouncements, "start", assigned_nothing)
    monkeypatch.setattr(ScriptedAnnouncements, "fetch", second_is_denied)

    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            await engine.start(0)
            await asyncio.sleep(DENIED_SECONDS)
            assert 10 < len(engine.kafka.members) <= MOST

    play(scene())


def test_kafka_answers_while_it_denies_something_and_does_not_while_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    denial = Denial()
    monkeypatch.setattr(ScriptedAnnouncements, "fetch", denial.replacing(ScriptedAnnouncements.fetch))

    async def scene() -> None:
        async with VirtualEngine(A) as engine:
            worker = await engine.start(0)
            answers = []
            for _ in range(DENIED_SECONDS):
                await asyncio.sleep(1)
                answers.append(worker.kafka_answers)
            assert all(answers)
            denial.denies, engine.kafka.away = False, True
            engine.kafka.members[-1].break_down()
            await asyncio.sleep(MOST)
            assert not worker.kafka_answers

    play(scene())
