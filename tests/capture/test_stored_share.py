"""What stored transcripts may take up of an inbox, and what that stops."""

from __future__ import annotations

from bridge.capture.inbox import Announced, Inbox
from bridge.capture.stored_inputs import StoredRead
from bridge.capture.stored_share import StoredShare
from tests.capture.hand_fed_shard import until
from tests.capture.test_stored_door import StoredInstallation, read
from tests.capture.virtual_servers import play

LIVE = Announced(0, b"{}", None, None)
STORED = StoredRead((), {}, 0)


class SharedInbox:
    """An inbox of 1,000 bytes of which stored transcripts may have 100, and how often reading these was paused."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        share = StoredShare(100, lambda: self.calls.append("pause"), lambda: self.calls.append("resume"))
        self.inbox = Inbox(1_000, lambda: self.calls.append("all"), lambda: self.calls.append("again"), share)


def test_live_updates_do_not_use_up_the_share_of_stored_transcripts() -> None:
    shared = SharedInbox()
    shared.inbox.put(LIVE, 900, 0.0)
    assert shared.calls == []
    shared.inbox.put(STORED, 60, 0.0)
    shared.inbox.put(STORED, 39, 0.0)
    assert shared.calls == []


def test_stored_transcripts_are_read_on_when_half_of_their_share_is_committed() -> None:
    shared = SharedInbox()
    for _ in range(4):
        shared.inbox.put(STORED, 30, 0.0)
    assert shared.calls == ["pause"]
    shared.inbox.take(60)
    assert shared.calls == ["pause"]
    shared.inbox.settle()
    assert shared.calls == ["pause"]
    shared.inbox.take(30)
    shared.inbox.settle()
    assert shared.calls == ["pause", "resume"]
    shared.inbox.put(STORED, 69, 0.0)
    assert shared.calls == ["pause", "resume"]
    shared.inbox.put(STORED, 1, 0.0)
    assert shared.calls == ["pause", "resume", "pause"]


def test_what_is_dropped_is_no_part_of_the_share_any_more() -> None:
    shared = SharedInbox()
    shared.inbox.put(STORED, 99, 0.0)
    shared.inbox.drop_reread()
    shared.inbox.put(STORED, 99, 0.0)
    assert shared.calls == []


def test_only_reading_stored_transcripts_stops_when_their_share_is_used_up() -> None:
    async def scene() -> None:
        installation = StoredInstallation()
        async with installation.running() as shard:
            feeder, reading = installation.feeders[0], installation.readings[0]
            feeder.deliver(read(1), 100_000)
            assert (feeder.paused, reading.paused, shard.paused) == ([True], True, False)
            await until(lambda: not reading.paused)
            assert feeder.paused == [True, False]

    play(scene())
