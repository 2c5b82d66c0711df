"""How each kind of fault begins and ends."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bridge.errors import EnvironmentFault
from tests.chaos.cluster import EVENTS_TOPIC, READY_SECONDS, ChaosCluster, ExpectationFailed, wait_until_ended
from tests.chaos.plan import BRIDGE, BROKER_STOP, KAFKA, NO_PERMISSION, Fault
from tests.support.kafka_tools import allow_writes, alter, fence, forbid_writes

if TYPE_CHECKING:
    from collections.abc import Mapping

Act = Callable[[ChaosCluster, Fault], object]


def _nothing(_: ChaosCluster, __: Fault) -> None:
    """Do nothing: the fault has no end."""


def _signal_worker(which: signal.Signals) -> Act:
    return lambda cluster, fault: cluster.workers[fault.number].send(which)


def _kill_worker(cluster: ChaosCluster, fault: Fault) -> None:
    cluster.workers[fault.number].kill()


def _start_worker(cluster: ChaosCluster, fault: Fault) -> None:
    cluster.start_worker(fault.number)


def _restart_worker(cluster: ChaosCluster, fault: Fault) -> None:
    code = wait_until_ended(cluster.workers[fault.number], cluster.patience * 60)
    if code and not (code == 1 and cluster.kafka_was_unavailable):  # 1: not everything could be committed in time
        raise ExpectationFailed(f"worker {fault.number} ended with {code} after SIGTERM")
    cluster.workers[fault.number].kill()
    cluster.start_worker(fault.number)


def _pause_broker(cluster: ChaosCluster, fault: Fault) -> None:
    cluster.kafka_was_unavailable = True
    cluster.kafka.nodes[fault.number - 1].pause()


def _resume_broker(cluster: ChaosCluster, fault: Fault) -> None:
    cluster.kafka.nodes[fault.number - 1].resume()


def _kill_broker(cluster: ChaosCluster, fault: Fault) -> None:
    cluster.kafka_was_unavailable = True
    cluster.kafka.nodes[fault.number - 1].kill()


def _restart_broker(cluster: ChaosCluster, fault: Fault) -> None:
    node, deadline = cluster.kafka.nodes[fault.number - 1], time.monotonic() + cluster.patience * READY_SECONDS
    try:
        node.restart()
    except EnvironmentFault:
        while node.running and time.monotonic() < deadline:  # it has not answered yet, on a machine with other work
            with suppress(EnvironmentFault):
                node.wait_for_brokers(1)
                return
        raise


def _fence(cluster: ChaosCluster, fault: Fault) -> None:
    for one in cluster.transactional_ids(int(str(fault.values["shard"]))):
        fence(cluster.kafka.bootstrap_servers, one)


def _refuse_writes(cluster: ChaosCluster, fault: Fault) -> None:
    cluster.kafka_was_unavailable = True
    cluster.refusals_before = cluster.refusals()
    if fault.values["how"] == NO_PERMISSION:
        forbid_writes(cluster.kafka.bootstrap_servers, cluster.prefix + EVENTS_TOPIC)
    else:
        alter(cluster.kafka.bootstrap_servers, cluster.prefix + EVENTS_TOPIC, "max.message.bytes", "100")


def _accept_writes(cluster: ChaosCluster, fault: Fault) -> None:
    # By now all may be ready again: a worker that starts meanwhile sets the limits of the topics to its settings.
    if not any(count > cluster.refusals_before.get(number, 0) for number, count in cluster.refusals().items()):
        raise ExpectationFailed(f"no worker reported that {fault} refused its writes")
    if fault.values["how"] == NO_PERMISSION:
        allow_writes(cluster.kafka.bootstrap_servers, cluster.prefix + EVENTS_TOPIC)
    else:
        alter(cluster.kafka.bootstrap_servers, cluster.prefix + EVENTS_TOPIC, "max.message.bytes", None)


def _control(name: str) -> Act:
    return lambda cluster, fault: cluster.servers[fault.number].fault(name, **fault.values)


def _heal(cluster: ChaosCluster, fault: Fault) -> None:
    cluster.servers[fault.number].fault("heal")


def _end_the_line(cluster: ChaosCluster, fault: Fault) -> None:
    cluster.servers[fault.number].fault("send-raw", text="\n")


def _refuse(cluster: ChaosCluster, fault: Fault) -> None:
    server = cluster.servers[fault.number]
    server.fault("refuse", **fault.values)
    server.fault("drop", reset=False)  # otherwise no request would be sent


def _fail_over(cluster: ChaosCluster, fault: Fault) -> None:
    if fault.number not in cluster.used_up:
        cluster.servers[fault.number].fault("fail-over", **fault.values)
        cluster.used_up.add(fault.number)


def _signal_server(which: signal.Signals) -> Act:
    return lambda cluster, fault: cluster.servers[fault.number].send(which)


_ACTS: Final[Mapping[str, tuple[Act, Act]]] = {
    "kill -9": (_kill_worker, _start_worker),
    "SIGTERM and restart": (_signal_worker(signal.SIGTERM), _restart_worker),
    "SIGSTOP, back as a zombie": (_signal_worker(signal.SIGSTOP), _signal_worker(signal.SIGCONT)),
    "scale 3 to 2 to 3": (_signal_worker(signal.SIGTERM), _restart_worker),
    BROKER_STOP: (_pause_broker, _resume_broker),
    "broker kill and restart": (_kill_broker, _restart_broker),
    "shard fenced by another producer": (_fence, _nothing),
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


def begin(cluster: ChaosCluster, fault: Fault) -> None:
    """Start the fault."""
    _ACTS[fault.kind][0](cluster, fault)


def end(cluster: ChaosCluster, fault: Fault) -> None:
    """End the fault."""
    _ACTS[fault.kind][1](cluster, fault)


def name_of(fault: Fault) -> str:
    """Return the name of the fault in the report."""
    owner = {BRIDGE: "bridge", KAFKA: "Kafka"}.get(fault.victim, "Chat Server")
    return f"{owner}: {fault.kind}"
