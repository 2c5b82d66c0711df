"""A TCP proxy before a broker that reads the framing of Kafka's requests and cuts connections at chosen ones.

Framing (Kafka protocol guide, "Protocol Primitives" and "Request Header"): a length of 4 bytes, then the message. A
request begins with api_key (int16), api_version (int16), correlation_id (int32) and client_id (a text with a length of
2 bytes), an answer with correlation_id.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from types import TracebackType

_LOOPBACK: Final = "127.0.0.1"
_HEADER: Final = struct.Struct(">hhih")


class ApiKey(IntEnum):
    """Numbers of the requests of a transaction."""

    PRODUCE = 0
    FIND_COORDINATOR = 10
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28


class Cut(NamedTuple):
    """Where to cut: at the next request of this kind; `answered`: only when the broker has answered it.

    With `away`, the client gets no connection any more until `heal`: its own repetitions fail too.
    """

    api_key: ApiKey
    answered: bool
    away: bool


@dataclass(eq=False)
class _Pair:
    """The two connections of one client. `awaited` is the correlation id of the answer to be withheld."""

    client: socket.socket
    broker: socket.socket
    awaited: int | None = None

    def close(self) -> None:
        for one in (self.client, self.broker):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class CuttingProxy:
    """Listens on `port`, and forwards to `broker_port`, which is set when the broker is up. A context manager."""

    def __init__(self) -> None:
        self.broker_port = 0
        self._listener = socket.create_server((_LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: set[_Pair] = set()
        self._client_id = ""
        self._cuts: list[Cut] = []
        self._away = False
        self._closed = False
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            pairs = list(self._pairs)
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in pairs:
            pair.close()
        self._accepting.join()

    def arm(self, client_id: str, *cuts: Cut) -> None:
        """Cut the connections of the client with this id, one cut after the other."""
        with self._lock:
            self._client_id, self._cuts, self._away = client_id, list(cuts), False

    def heal(self) -> None:
        """Let the client connect again after a cut with `away`."""
        with self._lock:
            self._away = False

    @property
    def left(self) -> int:
        """How many cuts are still to be made."""
        return len(self._cuts)

    # --- threads -------------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                broker = socket.create_connection((_LOOPBACK, self.broker_port))
            except OSError:
                client.close()
                continue
            pair = _Pair(client, broker)
            with self._lock:
                if not self._closed:
                    self._pairs.add(pair)
            threading.Thread(target=self._serve, args=(pair,), daemon=True).start()

    def _serve(self, pair: _Pair) -> None:
        """Forward requests; a second thread forwards the answers."""
        answers = threading.Thread(target=self._forward, args=(pair, pair.broker, pair.client), daemon=True)
        answers.start()
        self._forward(pair, pair.client, pair.broker)
        answers.join()
        for one in (pair.client, pair.broker):
            one.close()
        with self._lock:
            self._pairs.discard(pair)

    def _forward(self, pair: _Pair, source: socket.socket, target: socket.socket) -> None:
        passes = self._passes_request if source is pair.client else self._passes_answer
        with suppress(OSError):
            while (frame := _frame(source)) is not None and passes(pair, frame):
                target.sendall(struct.pack(">i", len(frame)) + frame)
        pair.close()

    def _passes_request(self, pair: _Pair, frame: bytes) -> bool:
        api_key, _, correlation_id, length = _HEADER.unpack_from(frame)
        client_id = frame[_HEADER.size : _HEADER.size + max(length, 0)].decode()
        with self._lock:
            if client_id != self._client_id:
                return True
            if self._away:
                return False
            if not self._cuts or self._cuts[0].api_key != api_key:
                return True
            if self._cuts[0].answered:
                pair.awaited = correlation_id
                return True
            self._cut()
            return False

    def _passes_answer(self, pair: _Pair, frame: bytes) -> bool:
        with self._lock:
            if pair.awaited is None or struct.unpack_from(">i", frame)[0] != pair.awaited:
                return True
            self._cut()
            return False

    def _cut(self) -> None:
        self._away = self._cuts.pop(0).away


def _frame(source: socket.socket) -> bytes | None:
    """Return the next message without its length; None at the end of the connection."""
    head = _exactly(source, 4)
    return head and _exactly(source, struct.unpack(">i", head)[0])


def _exactly(source: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = source.recv(size - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)
