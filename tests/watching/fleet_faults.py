"""What is broken on purpose, so that alerts fire: one entry for each fault, with the alerts that it is made for.

They are done in this order on one fleet. Each mends what it broke, but for the last two, which end workers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.integration.e2e_environment import E2EEnvironment
from tests.support.kafka_tools import allow_writes, delete, fence, forbid_writes
from tests.support.processes import wait_for
from tests.watching.faulty_worker import DEFECTIVE_CHAT
from tests.watching.watched_fleet import AMPLE_MEMORY, WatchedFleet, names_in_shard

if TYPE_CHECKING:
    from pathlib import Path

RESTARTS: Final = 3
FENCINGS: Final = 6
FLOOD: Final = 700
FLOOD_TEXT: Final = "s" * 2000
"""The announcements of one shard: more than its buffer holds."""

Provoke = Callable[[WatchedFleet, Callable[[float], None]], None]
"""Breaks something, calls the given function to wait so many seconds at most for the alerts, and mends it."""


@dataclass(frozen=True)
class FleetFault:
    """`expected` are the alerts that have to fire."""

    name: str
    provoke: Provoke
    expected: frozenset[str]


def _inputs(fleet: WatchedFleet, wait_for_alerts: Callable[[float], None]) -> None:
    fleet.announce([f"UNREACHABLE{number:06}" for number in range(12)])
    fleet.announce_raw({"unreadable": b"{no announcement"})
    fleet.announce([DEFECTIVE_CHAT])
    wait_for_alerts(40)


def _set_by_hand(fleet: WatchedFleet, wait_for_alerts: Callable[[float], None]) -> None:
    fleet.put("worker-1", "/v1/admin/joins", {"paused": True})
    fleet.replace_certificate(days=0.5)
    fleet.set_memory_limit(max(worker.rss_bytes() for worker in fleet.workers.values()))
    wait_for_alerts(60)
    fleet.put("worker-1", "/v1/admin/joins", {"paused": False})
    fleet.replace_certificate(days=60)
    fleet.set_memory_limit(AMPLE_MEMORY)


def _kafka(fleet: WatchedFleet, wait_for_alerts: Callable[[float], None]) -> None:
    sessions = fleet.environment.topic("sessions")
    delete(fleet.environment.broker, sessions)
    fleet.environment.prepare()
    for _ in range(FENCINGS):
        before = fleet.total("chatbridge_shard_changes_total", change="fenced")
        fence(fleet.environment.broker, f"{fleet.environment.prefix}bridge-{fleet.shard_of('worker-1')}")
        wait_for(
            lambda: fleet.total("chatbridge_shard_changes_total", change="fenced") > before,  # noqa: B023 - called here
            20,
            "no shard was fenced",
        )
    wait_for_alerts(40)


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
    checkpoints = fleet.environment.topic("checkpoints")
    forbid_writes(fleet.environment.broker, checkpoints)
    fleet.announce(names_in_shard("FLOOD", fleet.shard_of("worker-1"), FLOOD), subject=FLOOD_TEXT)
    wait_for(lambda: fleet.total("chatbridge_inboxes_paused") > 0, 30, "no buffer is full")
    fleet.announce(names_in_shard("MORE", fleet.shard_of("worker-1"), FLOOD // 2))
    wait_for_alerts(90)
    allow_writes(fleet.environment.broker, checkpoints)


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
    _fault("inputs", _inputs, "Gaps", "IncompleteChats", "Coverage", "Quarantine", "Defect"),
    _fault("kafka", _kafka, "FencingLoop", "RecordsForgotten"),
    _fault(
        "set by hand",
        _set_by_hand,
        *("JoinsPaused", "ChatsWaiting", "CertificateExpiring", "CertificateExpired", "Memory"),
    ),
    _fault("two processes with one worker_id", _twin, "WorkerIdTwice"),
    _fault("nothing can be written", _nothing_can_be_written, "Behind", "AnnouncementsWaiting", "ReadingPaused"),
    _fault("killed again and again", _killed_again_and_again, "CrashLoop"),
    _fault("one worker is gone", _one_is_gone, "WorkerDown", "OneWorker", "ShardsUnowned"),
    _fault("all workers are gone", _all_are_gone, "NoWorker"),
)
