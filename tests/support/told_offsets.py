"""Answers of a group's coordinator about committed offsets, in the place of those that a real one gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.commit import OffsetFetchRequest, OffsetFetchResponse_v3

if TYPE_CHECKING:
    import pytest


def told_offsets(monkeypatch: pytest.MonkeyPatch) -> list[OffsetFetchResponse_v3]:
    """Return a list: what is put into it, clients of this process are told next, the last one first."""
    send, answers = AIOKafkaClient.send, list[OffsetFetchResponse_v3]()

    async def scripted(client: AIOKafkaClient, node: int, request: object, **more: object) -> object:
        if isinstance(request, OffsetFetchRequest) and answers:
            return answers.pop()
        return await send(client, node, request, **more)

    monkeypatch.setattr(AIOKafkaClient, "send", scripted)
    return answers


def refused(code: int) -> OffsetFetchResponse_v3:
    """Return the answer of a coordinator that does not tell any offset: since version 2 it names no partition."""
    return OffsetFetchResponse_v3(0, [], code)
