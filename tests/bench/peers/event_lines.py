"""The lines that every peer gets: events of the simulator as JSON, filled up to one size, stamped when sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

LINE_BYTES: Final = 550
"""About what the bridge writes for an event (docs/performance.md), so that the peers write as many bytes."""
_STAMP_BYTES: Final = len(b'"at":1790000000.000000,"n":12345,')
_FILLER_BYTES: Final = len(b',"filler":""')
_EVENT: Final = b'{"kind":"event"'


class _LedgerEvent(msgspec.Struct, rename="camel"):
    session_id: str
    event_id: int
    event: msgspec.Raw


class StampedLine(msgspec.Struct, rename="camel"):
    """What a line is judged by. `at`: when it was sent, seconds since 1970 UTC; `n`: its number in the run."""

    session_id: str
    at: float
    n: int


def lines_of(ledger: Iterable[bytes]) -> list[bytes]:
    """Return the events of the simulator's ledger as lines without stamp and line feed, each of the usual size."""
    decoder = msgspec.json.Decoder(_LedgerEvent)
    return [_line(decoder.decode(line)) for line in ledger if line.startswith(_EVENT)]


def stamped(line: bytes, at: float, number: int) -> bytes:
    """Return a line with its stamp and a line feed."""
    return b'{"at":%.6f,"n":%d,%b\n' % (at, number, line[1:])


def _line(event: _LedgerEvent) -> bytes:
    fields = {"sessionId": event.session_id, "eventId": event.event_id, "event": event.event}
    missing = LINE_BYTES - len(msgspec.json.encode(fields)) - _STAMP_BYTES - _FILLER_BYTES
    return msgspec.json.encode({**fields, "filler": "." * missing} if missing >= 0 else fields)
