"""AnnouncementProducer: a list is sent together, and a failure reports how many announcements are durable."""

from __future__ import annotations

import asyncio

import pytest

from bridge.adapters.kafka import announcement_producer
from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
from bridge.adapters.kafka.connection import KafkaConnection
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.announcement import Announcement
from bridge.errors import AnnouncementsNotWritten, KafkaUnavailable

SETTINGS = KafkaConnection(bootstrap_servers="127.0.0.1:1", group="g", topics=TopicNames())


class SendingProducer:
    """An AIOKafkaProducer that gives a future per record; `outcomes` are set on them once all are sent."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.sent: list[tuple[bytes, asyncio.Future[object]]] = []
        self.stopped = False
        self._outcomes = outcomes

    async def send(self, _topic: str, *, key: bytes, value: bytes, timestamp_ms: int) -> asyncio.Future[object]:
        assert value
        assert timestamp_ms > 0
        sent: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.sent.append((key, sent))
        if len(self.sent) == len(self._outcomes):
            for (_, future), outcome in zip(self.sent, self._outcomes, strict=True):
                if outcome is None:
                    future.set_result(None)
                else:
                    future.set_exception(outcome)
        return sent

    async def stop(self) -> None:
        self.stopped = True


class UnconnectedClient:
    """What a producer would connect with."""


class StartingProducer(SendingProducer):
    """One that starts when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.client = UnconnectedClient()
        self.begun = asyncio.Event()
        self.may_start = asyncio.Event()

    async def start(self) -> None:
        self.begun.set()
        await self.may_start.wait()


def announce(producer: SendingProducer, count: int) -> None:
    async def scenario() -> None:
        announcer = AnnouncementProducer(SETTINGS)
        announcer._producer = producer
        await announcer.announce(
            [Announcement(session_id=f"s{number}", host="chat-1", port=4800) for number in range(count)]
        )

    asyncio.run(scenario())


def test_all_are_sent_before_the_first_is_waited_for() -> None:
    producer = SendingProducer(None, None, None)
    announce(producer, 3)
    assert [key for key, _ in producer.sent] == [b"s0", b"s1", b"s2"]
    assert not producer.stopped


@pytest.mark.parametrize(
    ("outcomes", "accepted"),
    [((None, OSError(), None), 1), ((OSError(), None, None), 0), ((None, None, RuntimeError()), 2)],
)
def test_a_failure_says_how_many_from_the_beginning_are_durable(
    outcomes: tuple[Exception | None, ...], accepted: int
) -> None:
    producer = SendingProducer(*outcomes)
    with pytest.raises(AnnouncementsNotWritten) as caught:
        announce(producer, 3)
    assert caught.value.accepted == accepted
    assert producer.stopped


def test_the_producer_that_another_request_has_opened_meanwhile_is_not_stopped() -> None:
    failing, newer = SendingProducer(OSError()), SendingProducer()

    async def scenario() -> None:
        announcer = AnnouncementProducer(SETTINGS)
        announcer._producer = failing
        announcing = asyncio.ensure_future(
            announcer.announce([Announcement(session_id="s1", host="chat-1", port=4800)])
        )
        while not failing.sent:  # noqa: ASYNC110 - it happens within a few turns of the loop
            await asyncio.sleep(0)
        announcer._producer = newer
        with pytest.raises(AnnouncementsNotWritten):
            await announcing
        assert announcer._producer is newer

    asyncio.run(scenario())
    assert not newer.stopped


def test_a_failure_before_its_producer_has_started_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = SendingProducer()

    async def scenario() -> None:
        announcer = AnnouncementProducer(SETTINGS)

        async def unavailable(*_: object) -> SendingProducer:
            announcer._producer = newer  # by a concurrent request
            raise KafkaUnavailable("no broker answers")

        monkeypatch.setattr(announcer, "_started", unavailable)
        with pytest.raises(AnnouncementsNotWritten):
            await announcer.announce([Announcement(session_id="s1", host="chat-1", port=4800)])
        assert announcer._producer is newer

    asyncio.run(scenario())
    assert not newer.stopped


def test_a_producer_that_starts_while_the_announcer_is_closed_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    starting = StartingProducer()
    monkeypatch.setattr(announcement_producer, "AIOKafkaProducer", lambda **_: starting)

    async def scenario() -> None:
        announcer = AnnouncementProducer(SETTINGS)
        one = Announcement(session_id="s1", host="chat-1", port=4800)
        announcing = asyncio.ensure_future(announcer.announce([one]))
        await starting.begun.wait()
        await announcer.close()
        starting.may_start.set()
        with pytest.raises(AnnouncementsNotWritten):
            await announcing
        assert starting.stopped
        starting.begun.clear()
        with pytest.raises(AnnouncementsNotWritten):
            await announcer.announce([one])
        assert not starting.begun.is_set()

    asyncio.run(scenario())
