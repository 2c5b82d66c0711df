"""For any bytes of a server: the link stays, no chat fails by a defect, every record is sound and one Kafka takes.

The bytes go the whole way from the socket to the records of a transaction. Also: what was committed can be restored,
the chat takes its next message, and no log line or metric quotes what was said.
"""

from __future__ import annotations

from typing import Final

from bridge.capture.chat import FOLLOWED
from tests.capture.link_harness import CHAT, LinkHarness, info, line, message, party
from tests.fuzz.engine import MARKER, Fuzzer, run_fixed, shape
from tests.fuzz.test_wire_fuzzing import FUZZER as WIRE
from tests.fuzz.test_wire_fuzzing import TOKENS

LAST: Final = 2**62


def _lines(*messages: object) -> bytes:
    return b"\n".join(map(line, messages))


SEEDS: Final = (
    _lines(
        info(
            CHAT,
            party(2, "00A2", MARKER, userData=[{"key": MARKER, "type": "kvlist", "value": [{"key": "a"}]}]),
            message(3, MARKER, timeShift=5),
            {"eventType": "notice", "eventId": 5, "userId": "00A2", "noticeText": {"noticeType": "USER_UPDATE_NICK"}},
            {"eventType": "partyLeft", "eventId": 6, "userId": "00A2", "reason": {"code": 1, "text": MARKER}},
        ),
        info(CHAT, message(7)),
    ),
    _lines(info(CHAT, message(9)), info(CHAT, message(8), message(2)), info("0000ELSEWHERE001", message(1))),
    _lines(info(CHAT, message(2)), info(CHAT, message(2, MARKER)), info(CHAT, message(3), monitored=True)),
    _lines(
        {"messageName": "Ping"}, {"messageName": "EventError", "errorId": 8201, "description": MARKER, "referenceId": 2}
    ),
    _lines(info(CHAT, message(2), status="Over"), info(CHAT, message(3))),
)


def check(data: bytes) -> str:
    with LinkHarness(CHAT) as harness:
        for one in data.split(b"\n"):
            harness.hears(one)
        assert not harness.lost
        records = harness.published()
        harness.set_aside()
        harness.restored()
        assert MARKER not in harness.log() + harness.metrics()
        assert "chatbridge_chat_failures_total 0.0" in harness.metrics()
        chat = harness.store.chats.get(CHAT)
        followed = chat is not None and chat.state == FOLLOWED
        if followed and not any(record["eventId"] == LAST for record in records):
            if not harness.link.load:  # the server said that we are removed: that is told, and joined again
                assert chat is not None
                assert chat.transcript.state().absence is not None
                harness.hears(info(CHAT, party(1), reference=harness.join(CHAT)))
            harness.hears(info(CHAT, message(LAST, "still here")))
            assert LAST in harness.ids()
        return shape(
            [
                *(record["kind"] for record in records),
                *harness.quarantined(),
                *(reason for _, _, reason in harness.gaps()),
            ]
        )


_WIRE_SEEDS: Final = tuple(seed.replace(b"0000FUZZ00000001", CHAT.encode()) for seed in WIRE.corpus())

FUZZER: Final = Fuzzer("capture", check, (*TOKENS, CHAT.encode()), (*SEEDS, *_WIRE_SEEDS))


def test_a_shard_bears_any_bytes_of_a_server() -> None:
    tally = run_fixed(FUZZER, 75)
    assert len(tally) > 15
    assert any("UNKNOWN" in label for label in tally)
    assert any("GAP" in label for label in tally)
    assert any("stray" in label for label in tally)
