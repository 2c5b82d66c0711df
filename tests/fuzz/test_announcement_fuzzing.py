"""For any bytes: an announcement is read or UnreadableAnnouncement is raised, and no value of it is ever quoted.

Also: what was read keeps every rule (each address of it can be connected to, its password is not in its repr), reads
as the same when it is written again, and is never larger than the limit; a shard that is handed the bytes goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from bridge.addresses import split_address
from bridge.announcement import MAX_BYTES, MAX_SERVERS, MAX_TENANT, parse, rewritten
from bridge.errors import UnreadableAnnouncement
from tests.capture.link_harness import LinkHarness
from tests.fuzz.engine import MARKER, Fuzzer, run_fixed, shape, work

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_REASON: Final = 400
CALLS_PER_BYTE: Final = 3

TOKENS: Final = (
    *(b'"sessionId":"', b'"host":"', b'"port":', b'"servers":["', b'"password":"', b'"tenant":"', b'"userData":{'),
    *(b'"announcedAt":', b"[::1]:80", b"[fe80::1%eth0]:80", b"a..b", b":00000080", b"::", b"h:1", b"-", b"~", b"1e15"),
)


def check(data: bytes) -> str:
    answer: list[str] = []
    assert work(lambda: answer.append(_check(data))) <= 3_000 + CALLS_PER_BYTE * len(data)
    return answer[0]


def _check(data: bytes) -> str:
    try:
        told = parse(data)
    except UnreadableAnnouncement as error:
        return _check_reason(error)
    addresses = told.places()
    assert 1 <= len(addresses) <= MAX_SERVERS + 1
    for host, port in map(split_address, addresses):
        assert host
        assert 0 < port < 65_536
    assert len(told.tenant or "") <= MAX_TENANT
    assert MARKER not in repr(told) or MARKER in told.session_id + told.host
    again = rewritten(told, data)
    assert parse(again) == told
    assert len(again) <= MAX_BYTES
    return "read"


def _check_reason(refusal: UnreadableAnnouncement) -> str:
    assert MARKER not in refusal.message
    assert len(refusal.message) <= LONGEST_REASON
    assert refusal.__cause__ is None
    return shape([refusal.message])


def check_with_a_shard(data: bytes) -> str:
    label = check(data)
    with LinkHarness() as harness:
        harness.announce(data)
        assert len(harness.set_aside()) == (label != "read")
        assert len(harness.sessions) == (label == "read")
        assert MARKER not in harness.log() + harness.metrics()
        harness.restored()
    return label


FUZZER: Final = Fuzzer("announcements", check_with_a_shard, TOKENS)


@pytest.mark.parametrize("file", FUZZER.files(), ids=lambda file: file.name)
def test_every_announcement_of_the_corpus_is_read_or_refused_as_its_name_says(file: Path) -> None:
    assert (check(file.read_bytes()) != "read") is file.name.startswith("bad-")


def test_the_reader_of_announcements_bears_any_bytes() -> None:
    tally = run_fixed(FUZZER, 400)
    assert len(tally) > 20
    assert tally["read"] > 30
