"""How fast a table of stored chats is read and published, and what memory that takes."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from sqlalchemy import Index, func, select

from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.simulator.traffic.scenario import ScenarioSettings
from bridge.simulator.traffic.scenario import session_id as id_of
from bridge.simulator.ucs.played_chats import played_chat
from bridge.simulator.ucs.saved_chats import STOPPED, SavedChats, SavedRow
from bridge.simulator.ucs.stored_form import StoredForm
from bridge.simulator.ucs.ucs_table import UcsTable
from tests.support.postgres_server import postgres_server
from tests.support.processes import Bridge
from tests.support.unique_prefixes import unique_prefix
from tests.support.written_values import WrittenValues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEMPLATES: Final = 1_000
SEED: Final = 21
SECONDS_PER_CHAT: Final = 10
"""Between the starts of two chats: a site with 8,640 chats a day."""
MOST_SECONDS: Final = 3 * 3600
TOLD_EVERY: Final = 5_000
"""Chats between two figures of the memory."""


@dataclass(slots=True, frozen=True)
class StoredRun:
    """Figures of a run. Memory in bytes, `texts` in characters; `cpu` and `seconds` until the last chat was closed."""

    chats: int
    events: float
    texts: int
    seconds: float
    cpu: float
    resident_idle: int
    resident_most: int

    @property
    def chats_per_minute(self) -> float:
        """Chats that were read and published in a minute."""
        return self.chats / self.seconds * 60

    def __str__(self) -> str:
        """Return what was found, beside what is aimed at."""
        return (
            f"{self.chats_per_minute:.0f} chats per minute (target: at least 2000): {self.seconds:.0f} s, "
            f"{self.events:.0f} events, {self.texts / self.chats:.0f} characters per chat; "
            f"CPU {self.cpu / self.chats * 1e3:.2f} ms per chat; RSS {self.resident_most / 1e6:.0f} MB at most, "
            f"idle {self.resident_idle / 1e6:.0f} MB (target: below 200 MB)"
        )


def stored_chats(
    broker: str, folder: Path, chats: int, partitions: int, *, mean_events: int, say: Callable[[str], None]
) -> StoredRun:
    """Write so many chats that are over into a table of PostgreSQL, and let one worker publish them.

    Memory is told now and then while it runs.
    """
    prefix = unique_prefix()
    with postgres_server() as url:
        table = UcsTable(url)
        table.create()
        table.insert_many(_rows(chats, mean_events, time.time() - SECONDS_PER_CHAT * chats))
        start = table.columns.c.startdate
        with table.engine.begin() as connection:
            Index("by_start", start, table.columns.c.id).create(connection)  # as docs/doors/ucs.md asks for it
            texts = connection.execute(select(func.sum(func.length(table.columns.c.structuredtext)))).scalar_one()
        table.close()
        with Bridge(
            broker,
            folder / "bridge.log",
            prefix=prefix,
            worker="bench",
            kafka__partitions=partitions,
            sources__ucs__url=url,
            sources__ucs__since="2001-01-01T00:00:00Z",
            sources__ucs__page_rows=100,
        ) as bridge:
            started, idle = time.monotonic(), 0
            bridge.wait_ready()
            idle = bridge.rss_bytes()
            _await_closed(broker, prefix, chats, bridge, say)
            run = StoredRun(
                chats,
                bridge.metric("chatbridge_events_total"),
                texts,
                time.monotonic() - started,
                bridge.cpu_seconds(),
                idle,
                _most_resident(bridge),
            )
            bridge.terminate()
    return run


def _rows(chats: int, mean_events: int, start: float) -> Iterator[SavedRow]:
    """Yield the rows of chats: TEMPLATES different ones, under as many ids as there are chats."""
    settings, saved = ScenarioSettings(SEED, mean_events=mean_events), SavedChats(StoredForm())
    templates: list[SavedRow] = []
    for number in range(min(TEMPLATES, chats)):
        played = played_chat(settings, number, start)
        templates += [row for at, effect in played.effects for row in saved.rows(effect, at) if row.status == STOPPED]
    for number in range(chats):
        template, new_id = templates[number % len(templates)], id_of(SEED + 1, number)
        began = int(start + SECONDS_PER_CHAT * number)
        text = (template.text or "").replace(template.session_id, new_id)
        yield SavedRow(new_id, STOPPED, began, began + 300, began + 300, text)


def _most_resident(bridge: Bridge) -> int:
    status = Path(f"/proc/{bridge.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _await_closed(broker: str, prefix: str, chats: int, bridge: Bridge, say: Callable[[str], None]) -> None:
    """Wait until the last record of every chat is CLOSED."""
    values, closed = WrittenValues(), set[str]()
    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": uuid.uuid4().hex,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    sessions = TopicNames(prefix).sessions
    partitions = consumer.list_topics(sessions, timeout=20).topics[sessions].partitions
    consumer.assign([TopicPartition(sessions, partition, OFFSET_BEGINNING) for partition in partitions])
    end, next_told = time.monotonic() + MOST_SECONDS, TOLD_EVERY
    while len(closed) < chats:
        assert bridge.running, bridge.log.read_text("utf-8")[-3000:]
        assert time.monotonic() < end, f"{len(closed)} of {chats} chats are published"
        for message in consumer.consume(1000, 1.0):
            value = message.value()
            if message.error() is None and value is not None:
                record = values.read("SessionRecord", value)
                if record["state"] == "CLOSED":
                    closed.add(record["sessionId"])
        if len(closed) >= next_told:
            next_told += TOLD_EVERY
            say(f"  {len(closed)} chats: RSS {bridge.rss_bytes() / 1e6:.0f} MB")
    consumer.close()
