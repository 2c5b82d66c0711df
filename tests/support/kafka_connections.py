"""Which of aiokafka's clients in this process connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiokafka.client

if TYPE_CHECKING:
    import pytest


def connections_made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the id of the client is added with each connection that is made from now on."""
    connect, made = aiokafka.client.create_conn, list[str]()

    async def counted(*args: object, **settings: object) -> object:
        made.append(str(settings["client_id"]))
        return await connect(*args, **settings)

    monkeypatch.setattr(aiokafka.client, "create_conn", counted)
    return made
