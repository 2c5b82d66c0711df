"""The tasks and connections of a worker, another process, compared with those that it needs for what it owns.

Tasks by kind come from the metric `chatbridge_tasks`; connections are the process's sockets in /proc.
"""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.topic_codes import PARTITIONS_DIFFER
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.addresses import split_address
from bridge.capture.readiness_codes import BUFFER_FULL, FORGOTTEN_CODES, PARTITIONS_CHANGED, STATE_LOST
from bridge.errors import AccessDenied, TopicMissing
from tests.support.processes import POLL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tests.support.processes import Bridge

_OF_OPEN_SHARDS: Final = {BUFFER_FULL, PARTITIONS_CHANGED, *FORGOTTEN_CODES} - {STATE_LOST}
"""Codes of reasons that shards give while their writers are open."""
_REFUSED_CODES: Final = {AccessDenied.code, TopicMissing.code, PARTITIONS_DIFFER}
"""Codes of reasons after which the topic of stored transcripts is not read for a minute."""
_SECONDS: Final = 30.0
_TIMES: Final = 2
_LISTEN: Final = "0A"
_CONSUMER_TASKS: Final = 5
"""Of aiokafka, for one group member: coordination, heartbeat, fetching, offsets, and what the last one waits for.

One more fetches from each broker that leads an assigned partition.
"""
_READER_TASKS: Final = 3
"""Of aiokafka, for the consumer of stored transcripts, which is there while shards are open.

One more fetches from each broker, as above.
"""
_PRODUCER_REQUESTS: Final = 2
"""Of aiokafka, for each producer that writes: one for its transaction, and one for the records to a broker."""
_COORDINATORS: Final = 2
"""Of the group and of the transactional id: aiokafka keeps connections of their own to those brokers."""
_ASKING: Final = 2
"""Connections to a broker of the client by which shards ask: one for questions, one for what is read."""
_SAMPLE: Final = re.compile(r'^chatbridge_(\w+?)(?:\{(?:kind|state)="(\w+)"\})? ([0-9.e+]+)$', re.MULTILINE)


@dataclass(slots=True, frozen=True)
class Owned:
    """What a worker owns. `writers`: its shards that are open. `servers`: pairs of shard and Chat Server with chats.

    `stamps`: it asks for time stamps of signed heads. `unread`: it says that it cannot read stored transcripts,
    and has no client for them until it tries again. `together`: one producer writes all its shards.
    """

    shards: int
    writers: int
    links: int
    servers: int
    announcers: int
    brokers: int
    stamps: bool = False
    unread: bool = False
    together: bool = False


@dataclass(slots=True, frozen=True)
class OpenResources:
    """Tasks by kind; sockets by what they are for: `kafka`, `http` (accepted), `links` (all others)."""

    tasks: Mapping[str, int]
    sockets: Mapping[str, int]


def differences(owned: Owned, found: OpenResources) -> list[str]:
    """Return what is not as it should be, a line each; empty when nothing is."""
    producers = (min(owned.writers, 1) if owned.together else owned.writers) + owned.announcers
    reader = min(owned.writers, 1)
    clients = producers + 1 + reader
    asking = min(owned.shards, 1)  # the client by which shards ask about their topics ends when none did for a while
    sockets = found.sockets
    most_connections = clients * (owned.brokers + min(_COORDINATORS, owned.brokers)) + asking * _ASKING * owned.brokers
    expected: dict[str, tuple[int, int]] = {
        "worker": (1, 1),
        "capture": (1, 1),
        "watch": (4 + owned.stamps, 4 + owned.stamps),
        "shard": (owned.shards, owned.shards),
        "queue": (owned.servers, max(owned.servers, owned.links)),
        "release": (0, 0),
        "kafka_client": (clients - (reader if owned.unread else 0), clients + asking),
        "kafka_connection": (sockets["kafka"], sockets["kafka"]),
        "kafka": (
            producers,
            producers * (1 + _PRODUCER_REQUESTS)
            + _CONSUMER_TASKS
            + owned.brokers
            + reader * (_READER_TASKS + owned.brokers),
        ),
        "http": (sockets["http"] + 1, sockets["http"] + 1),  # one per connection, and one that answers this question
        "feeder": (0, 1),
        "commit": (0, owned.shards + 2 if owned.together else 0),  # what a transaction under way consists of
        "other": (0, 0),
    }
    lines = [
        f"tasks of kind {kind}: {found.tasks.get(kind)}, expected {least} to {most}"
        for kind, (least, most) in expected.items()
        if not least <= found.tasks.get(kind, -1) <= most
    ]
    if sockets["links"] != owned.links:
        lines.append(f"connections to Chat Servers: {sockets['links']}, expected {owned.links}")
    if sockets["kafka"] > most_connections:
        lines.append(f"connections to Kafka: {sockets['kafka']}, expected {most_connections} at most")
    return lines


def only_own_resources(bridge: Bridge, seconds: float = _SECONDS) -> None:
    """Wait until a worker holds what it needs and nothing else; AssertionError with the differences after `seconds`.

    It must be seen so twice in a row: for a moment, one task that is missing may make up for one too many.
    """
    deadline = time.monotonic() + seconds
    seen = 0
    while seen < _TIMES:
        found = _differences(bridge)
        seen = 0 if found else seen + 1
        assert not found or time.monotonic() < deadline, (
            f"worker {bridge.log.stem} holds other resources than it needs: {found}"
        )
        time.sleep(POLL_SECONDS)


def _differences(bridge: Bridge) -> list[str]:
    brokers = bridge.bootstrap_servers.split(",")
    # One connection for all questions, still open when the sockets are counted: it is a socket and a task.
    with closing(HTTPConnection("127.0.0.1", bridge.port, timeout=5)) as connection:
        try:
            readiness = json.loads(_get(connection, "/readyz"))
            sessions = json.loads(_get(connection, "/v1/sessions?limit=10000"))["sessions"]
            text = _get(connection, "/metrics").decode()
        except (OSError, HTTPException) as error:
            return [f"no answer: {type(error).__name__}"]
        sockets = sockets_of(bridge.pid, brokers, bridge.port)
    reasons, warnings = readiness["reasons"], readiness["warnings"]
    stored = TopicNames(bridge.prefix).stored
    values = {(name, kind): float(value) for name, kind, value in _SAMPLE.findall(text)}
    unopened = {
        one["detail"].split(":")[0]
        for one in reasons
        if one["detail"].startswith("shard ") and one["code"] not in _OF_OPEN_SHARDS
    }
    shards = int(sum(value for (name, _), value in values.items() if name == "shards"))
    owned = Owned(
        shards=shards,
        writers=shards - len(unopened),
        links=int(values["links", ""]),
        servers=len({(one["shard"], one["server"]) for one in sessions if one["server"]}),
        announcers=int(values["announcers", ""]),
        brokers=len(brokers),
        stamps=bridge.stamps,
        together=bridge.together,
        unread=any(one["code"] in _REFUSED_CODES and stored in one["detail"] for one in [*reasons, *warnings]),
    )
    tasks = {kind: int(value) for (name, kind), value in values.items() if name == "tasks"}
    return differences(owned, OpenResources(tasks, sockets))


def _get(connection: HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    return connection.getresponse().read()


def sockets_of(pid: int, brokers: Collection[str], http_port: int) -> Counter[str]:
    """Return the TCP sockets of a process that do not listen, by purpose. Brokers are IP addresses or localhost."""
    kafka = {_hex(one) for one in brokers}
    own = set[str]()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            own.add(str(entry.readlink()))
    found: Counter[str] = Counter()
    tables = [Path(f"/proc/{pid}/net/{name}").read_text("ascii") for name in ("tcp", "tcp6")]
    for line in (line for table in tables for line in table.splitlines()[1:]):
        (
            _,
            local,
            remote,
            state,
            *_,
        ) = fields = line.split()
        if state == _LISTEN or f"socket:[{fields[9]}]" not in own:
            continue
        accepted = int(local.partition(":")[2], 16) == http_port
        found["http" if accepted else "kafka" if remote in kafka else "links"] += 1
    return found


def _hex(address: str) -> str:
    """Return an address as /proc/net/tcp shows it, on a little-endian machine."""
    host, port = split_address(address.replace("localhost", "127.0.0.1"))
    packed = ipaddress.ip_address(host).packed
    words = [int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4)]
    return f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"
