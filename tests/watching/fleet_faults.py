"""What is broken on purpose, so that alerts fire: one entry for each fault, with the alerts that it is made for.

They are done in this order on one fleet. Each mends what it broke, but for the last two, which end workers.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Final

from bridge.writer_factory import ids_of_worker
from tests.integration.e2e_environment import E2EEnvironment
from tests.support.kafka_tools import alter, delete, fence
from tests.support.processes import wait_for
from tests.watching.faulty_worker import DEFECTIVE_CHAT
from tests.watching.watched_fleet import AMPLE_MEMORY, WatchedFleet, names_in_shard

if TYPE_CHECKING:
    from pathlib import Path

RESTARTS: Final = 3
FENCE_EVERY_SECONDS: Final = 2.0
FLOOD: Final = 2000
FLOOD_TEXT: Final = "s" * 2000
"""In the announcements of one shard: several times what its buffer holds."""

Provoke = Callable[[WatchedFleet, Callable[[float], None]], None]
"""Breaks something, calls the given function to wait so many seconds at most for the alerts, and mends it."""


@dataclass(frozen=True)
class FleetFault:
    """`expected` are the alerts that have to fire."""

    name: str
    provoke: Provoke
    expected: frozenset[str]


def _inputs_and_settings(fleet: WatchedFleet, wait_for_alerts: Callable[[float], None]) -> None:
    """What gateway, announcers, administrators and a database can do; together, because a pause has a long window."""
    fleet.announce([f"UNREACHABLE{number:06}" for number in range(12)])
    fleet.announce_raw({"unreadable": b"{no announcement"})
    fleet.announce([DEFECTIVE_CHAT])
    fleet.put("worker-1", "/v1/admin/joins", {"paused": True})
    fleet.replace_certificate(days=0.5)
    fleet.set_memory_limit(min(worker.rss_bytes() for worker in fleet.workers.values()))
    fleet.rename_interactions("interaction", "gone")
    try:
        wait_for_alerts(90)
    finally:
        fleet.rename_interactions("gone", "interaction")
        fleet.put("worker-1", "/v1/admin/joins", {"paused": False})
        fleet.replace_certificate(days=60)
        fleet.set_memory_limit(AMPLE_MEMORY)


def _kafka(fleet: WatchedFleet, wait_for_alerts: Callable[[float], None]) -> None:
    delete(fleet.environment.broker, fleet.environment.topic("sessions"))
    fleet.environment.prepare()
    transactional_id = ids_of_worker(f"{fleet.environment.prefix}bridge", "worker-1")[0]
    with ThreadPoolExecutor(max_workers=1) as beside:
        done = Event()
        fencing = beside.submit(_fence_again_and_again, fleet, transactional_id, done)
        try:
            wait_for_alerts(60)
        finally:
            done.set()
        fencing.result()
    fleet.wait_ready()


def _fence_again_and_again(fleet: WatchedFleet, transactional_id: str, done: Event) -> None:
    while not done.wait(FENCE_EVERY_SECONDS):
        fence(fleet.environment.broker, transactional_id)


def _twin(fleet: WatchedFleet, wait_for_alerts: Callable[[float], None]) -> None:
    folder: Path = fleet.folder / "twin"
    folder.mkdir()
    twin = E2EEnvironment(fleet.environment.broker, folder, **fleet.environment.settings)
    twin.prefix = fleet.environment.prefix
    with twin.bridge("worker-2"):
        wait_for_alerts(40)
    if not fleet.workers["worker-2"].running:
        fleet.start("worker-2")


def _nothing_can_be_written(fleet: WatchedFleet, wait_for_alerts: Callable[[float], None]) -> None:
    sessions = fleet.environment.topic("sessions")
    alter(fleet.environment.broker, sessions, "max.message.bytes", "100")
    try:
        fleet.announce(names_in_shard("FLOOD", fleet.shard_of("worker-1"), FLOOD), subject=FLOOD_TEXT)
        wait_for_alerts(90)
    finally:
        alter(fleet.environment.broker, sessions, "max.message.bytes", None)


def _killed_again_and_again(fleet: WatchedFleet, wait_for_alerts: Callable[[float], None]) -> None:
    started = f'process_start_time_seconds{{instance="127.0.0.1:{fleet.ports["worker-2"]}"}}'
    for _ in range(RESTARTS):
        before = fleet.prometheus.value(started)
        fleet.kill("worker-2")
        fleet.start("worker-2")
        wait_for(
            lambda: fleet.prometheus.value(started) not in {None, before},  # noqa: B023 - called here
            30,
            "Prometheus does not see the new process",
        )
    wait_for_alerts(10)


def _one_is_gone(fleet: WatchedFleet, wait_for_alerts: Callable[[float], None]) -> None:
    fleet.workers["worker-2"].wait_ready()
    fleet.kill("worker-2")
    wait_for_alerts(40)


def _all_are_gone(fleet: WatchedFleet, wait_for_alerts: Callable[[float], None]) -> None:
    fleet.kill("worker-1")
    wait_for_alerts(20)


def _fault(name: str, provoke: Provoke, *alerts: str) -> FleetFault:
    return FleetFault(name, provoke, frozenset(f"Chatbridge{alert}" for alert in alerts))


def _idle_outage(fleet: WatchedFleet, wait_for_alerts: Callable[[float], None]) -> None:
    fleet.broker.kill()
    wait_for_alerts(60)
    fleet.broker.restart()
    fleet.wait_ready()


IDLE_OUTAGE: Final = _fault("idle outage of Kafka", _idle_outage, "KafkaUnavailable", "NotReady")
FAULTS_WITH_CHATS: Final = (
    _fault(
        "inputs, settings and a table of UCS",
        _inputs_and_settings,
        *("Gaps", "IncompleteChats", "Coverage", "Quarantine", "Defect"),
        *("JoinsPaused", "ChatsWaiting", "CertificateExpiring", "CertificateExpired", "Memory", "UcsUnread"),
    ),
    _fault("kafka", _kafka, "FencingLoop", "RecordsForgotten"),
    _fault("two processes with one worker_id", _twin, "WorkerIdTwice"),
    _fault("nothing can be written", _nothing_can_be_written, "Behind", "AnnouncementsWaiting", "ReadingPaused"),
    _fault("killed again and again", _killed_again_and_again, "CrashLoop"),
    _fault("one worker is gone", _one_is_gone, "WorkerDown", "OneWorker", "ShardsUnowned"),
    _fault("all workers are gone", _all_are_gone, "NoWorker"),
)
