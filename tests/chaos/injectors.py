"""How each kind of fault begins and ends."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tests.chaos.plan import BRIDGE, BROKER_STOP, KAFKA, NO_PERMISSION, Fault
from tests.chaos.stage import EVENTS_TOPIC, Broken, Stage, wait_until_ended
from tests.line.kafka_tools import allow_writes, alter, forbid_writes, usurp

if TYPE_CHECKING:
    from collections.abc import Mapping

Act = Callable[[Stage, Fault], object]


def _nothing(_: Stage, __: Fault) -> None:
    """Be over already."""


def _signal_replica(which: signal.Signals) -> Act:
    return lambda stage, fault: stage.replicas[fault.number].send(which)


def _kill_replica(stage: Stage, fault: Fault) -> None:
    stage.replicas[fault.number].kill()


def _start_replica(stage: Stage, fault: Fault) -> None:
    stage.start_replica(fault.number)


def _restart_replica(stage: Stage, fault: Fault) -> None:
    code = wait_until_ended(stage.replicas[fault.number])
    if code and not (code == 1 and stage.kafka_was_away):  # 1: not everything could be committed in time
        raise Broken(f"replica {fault.number} ended with {code} after SIGTERM")
    stage.replicas[fault.number].kill()
    stage.start_replica(fault.number)


def _pause_broker(stage: Stage, fault: Fault) -> None:
    stage.kafka_was_away = True
    stage.cluster.nodes[fault.number - 1].pause()


def _resume_broker(stage: Stage, fault: Fault) -> None:
    stage.cluster.nodes[fault.number - 1].resume()


def _kill_broker(stage: Stage, fault: Fault) -> None:
    stage.kafka_was_away = True
    stage.cluster.nodes[fault.number - 1].kill()


def _restart_broker(stage: Stage, fault: Fault) -> None:
    stage.cluster.nodes[fault.number - 1].restart()


def _fence(stage: Stage, fault: Fault) -> None:
    usurp(stage.cluster.bootstrap_servers, f"{stage.prefix}bridge-{fault.values['shard']}")


def _refuse_writes(stage: Stage, fault: Fault) -> None:
    stage.kafka_was_away = True
    if fault.values["how"] == NO_PERMISSION:
        forbid_writes(stage.cluster.bootstrap_servers, stage.prefix + EVENTS_TOPIC)
    else:
        alter(stage.cluster.bootstrap_servers, stage.prefix + EVENTS_TOPIC, "max.message.bytes", "100")


def _accept_writes(stage: Stage, fault: Fault) -> None:
    if all(replica.ready for replica in stage.replicas.values()):
        raise Broken(f"nobody noticed that {fault} refused their writes")
    if fault.values["how"] == NO_PERMISSION:
        allow_writes(stage.cluster.bootstrap_servers, stage.prefix + EVENTS_TOPIC)
    else:
        alter(stage.cluster.bootstrap_servers, stage.prefix + EVENTS_TOPIC, "max.message.bytes", None)


def _control(name: str) -> Act:
    return lambda stage, fault: stage.servers[fault.number].fault(name, **fault.values)


def _heal(stage: Stage, fault: Fault) -> None:
    stage.servers[fault.number].fault("heal")


def _end_the_line(stage: Stage, fault: Fault) -> None:
    stage.servers[fault.number].fault("send-raw", text="\n")


def _refuse(stage: Stage, fault: Fault) -> None:
    server = stage.servers[fault.number]
    server.fault("refuse", **fault.values)
    server.fault("drop", reset=False)  # or nobody would ask


def _fail_over(stage: Stage, fault: Fault) -> None:
    if fault.number not in stage.used_up:
        stage.servers[fault.number].fault("fail-over", **fault.values)
        stage.used_up.add(fault.number)


def _signal_server(which: signal.Signals) -> Act:
    return lambda stage, fault: stage.servers[fault.number].send(which)


_ACTS: Final[Mapping[str, tuple[Act, Act]]] = {
    "kill -9": (_kill_replica, _start_replica),
    "SIGTERM and restart": (_signal_replica(signal.SIGTERM), _restart_replica),
    "SIGSTOP, back as a zombie": (_signal_replica(signal.SIGSTOP), _signal_replica(signal.SIGCONT)),
    "scale 3 to 2 to 3": (_signal_replica(signal.SIGTERM), _restart_replica),
    BROKER_STOP: (_pause_broker, _resume_broker),
    "broker kill and restart": (_kill_broker, _restart_broker),
    "shard fenced by a stranger": (_fence, _nothing),
    "writes refused": (_refuse_writes, _accept_writes),
    "drop all connections": (_control("drop"), _nothing),
    "play dead": (_control("play-dead"), _heal),
    "refuse": (_refuse, _heal),
    "delay answers": (_control("delay"), _heal),
    "restart with restoration": (_control("restart"), _nothing),
    "fail-over to the standby": (_fail_over, _nothing),
    "raw garbage": (_control("send-raw"), _end_the_line),
    "SIGSTOP": (_signal_server(signal.SIGSTOP), _signal_server(signal.SIGCONT)),
}


def begin(stage: Stage, fault: Fault) -> None:
    """Make it go wrong."""
    _ACTS[fault.kind][0](stage, fault)


def end(stage: Stage, fault: Fault) -> None:
    """Mend it."""
    _ACTS[fault.kind][1](stage, fault)


def name_of(fault: Fault) -> str:
    """Return what the report calls it."""
    owner = {BRIDGE: "bridge", KAFKA: "Kafka"}.get(fault.victim, "Chat Server")
    return f"{owner}: {fault.kind}"
