"""The Kafka clients that are open, so that a changed password reaches their next connections."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from bridge.adapters.kafka.aiokafka_internals import set_password

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient


class OpenClients:
    """Clients that live longer than one call. aiokafka keeps the password that a client was made with."""

    def __init__(self) -> None:
        """There are none yet."""
        self._clients: weakref.WeakSet[AIOKafkaClient] = weakref.WeakSet()

    def __len__(self) -> int:
        return len(self._clients)

    def add(self, client: AIOKafkaClient) -> None:
        """Add a client that was made with the present password; it is forgotten when nothing else refers to it."""
        self._clients.add(client)

    def take_password(self, password: str) -> None:
        """Use another password from now on, for new connections. Those that are open stay authenticated."""
        for client in self._clients:
            set_password(client, password)
