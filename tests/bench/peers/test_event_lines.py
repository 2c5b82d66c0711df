from __future__ import annotations

import msgspec

from tests.bench.peers.event_lines import LINE_BYTES, StampedLine, lines_of, stamped
from tests.bench.peers.line_feeder import feed

LEDGER = [
    b'{"kind":"opened","sessionId":"S1","at":1.5,"startAt":"2031-03-05T08:00:00Z"}',
    b'{"kind":"event","sessionId":"S1","at":1.5,"eventId":4,"event":{"eventId":4,"messageText":{"text":"ab"}}}',
    b'{"kind":"event","sessionId":"S2","at":1.6,"eventId":1,"event":{"eventId":1,"text":"%b"}}' % (b"x" * 600),
    b'{"kind":"closed","sessionId":"S1","at":1.7}',
]


class Collected:
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.passed_on = 0

    def put(self, line: bytes) -> None:
        self.lines.append(line)

    def flush(self) -> None:
        self.passed_on = len(self.lines)


def test_lines_are_the_events_of_the_ledger_filled_up_to_one_size() -> None:
    first, second = lines_of(LEDGER)
    found = msgspec.json.decode(first)
    assert set(found.pop("filler")) == {"."}
    assert found == {"sessionId": "S1", "eventId": 4, "event": {"eventId": 4, "messageText": {"text": "ab"}}}
    assert len(stamped(first, 1_790_000_000.5, 12_345).rstrip(b"\n")) == LINE_BYTES
    assert "filler" not in msgspec.json.decode(second), "a longer one is not cut and not filled"


def test_a_stamp_is_read_back() -> None:
    line = stamped(lines_of(LEDGER)[0], 1_790_000_000.25, 17)
    assert line.endswith(b"\n")
    assert msgspec.json.decode(line, type=StampedLine) == StampedLine("S1", 1_790_000_000.25, 17)


def test_lines_are_numbered_on_and_begin_again_when_there_are_no_more() -> None:
    sink = Collected()
    feed(lines_of(LEDGER), sink, first=3, count=1_203, rate=0)
    found = [msgspec.json.decode(line, type=StampedLine) for line in sink.lines]
    assert [line.n for line in found] == list(range(3, 1_206))
    assert [line.session_id for line in found[:3]] == ["S2", "S1", "S2"]
    assert sink.passed_on == 1_203


def test_lines_are_not_sent_before_they_are_due() -> None:
    sink = Collected()
    feed(lines_of(LEDGER), sink, first=0, count=21, rate=200)
    times = [msgspec.json.decode(line, type=StampedLine).at for line in sink.lines]
    assert times[-1] - times[0] >= 0.09
