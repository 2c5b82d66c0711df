"""What a worker should hold, as a function of what it owns: one more or less of any kind is told."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

import pytest

from tests.support.open_resources import OpenResources, Owned, differences, sockets_of

OWNED = Owned(shards=3, writers=3, links=4, servers=3, announcers=1, brokers=1)
TASKS = {
    "worker": 1,
    "capture": 1,
    "shard": 3,
    "queue": 3,
    "release": 0,
    "watch": 4,
    "feeder": 0,
    "commit": 0,
    "kafka_client": 6,
    "kafka_connection": 12,
    "kafka": 14,
    "http": 2,
    "other": 0,
}
SOCKETS = {"kafka": 12, "http": 1, "links": 4}


def test_what_the_worker_needs_is_no_difference() -> None:
    assert differences(OWNED, OpenResources(TASKS, SOCKETS)) == []


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("worker", 2),
        ("capture", 0),
        ("shard", 4),
        ("shard", 2),
        ("queue", 5),
        ("queue", 2),
        ("release", 1),
        ("watch", 3),
        ("watch", 5),
        ("kafka_client", 8),
        ("kafka_client", 5),
        ("kafka_connection", 13),
        ("kafka_connection", 11),
        ("kafka", 23),
        ("kafka", 3),
        ("http", 3),
        ("other", 1),
    ],
)
def test_a_task_too_many_or_too_few_is_told(kind: str, number: int) -> None:
    (line,) = differences(OWNED, OpenResources({**TASKS, kind: number}, SOCKETS))
    assert line.startswith(f"tasks of kind {kind}: {number}, expected ")


@pytest.mark.parametrize(
    ("purpose", "number", "lines"),
    [("kafka", 15, 2), ("kafka", 11, 1), ("http", 2, 1), ("links", 5, 1), ("links", 3, 1)],
)
def test_a_connection_too_many_or_too_few_is_told(purpose: str, number: int, lines: int) -> None:
    assert len(differences(OWNED, OpenResources(TASKS, {**SOCKETS, purpose: number}))) == lines


def test_a_shard_that_could_not_be_opened_has_no_producer() -> None:
    found = OpenResources({**TASKS, "kafka_client": 5, "kafka_connection": 10, "kafka": 13}, {**SOCKETS, "kafka": 10})
    assert differences(replace(OWNED, writers=2), found) == []
    assert differences(OWNED, found) == ["tasks of kind kafka_client: 5, expected 6 to 7"]


def test_shards_may_have_a_client_that_asks_about_their_topics_and_a_worker_without_shards_none() -> None:
    asking = OpenResources({**TASKS, "kafka_client": 7, "kafka_connection": 14}, {**SOCKETS, "kafka": 14})
    assert differences(OWNED, asking) == []
    none = replace(OWNED, shards=0, writers=0, links=0, servers=0)
    tasks = {**TASKS, "shard": 0, "queue": 0, "kafka_client": 3, "kafka_connection": 4, "kafka": 7}
    assert differences(none, OpenResources(tasks, {**SOCKETS, "kafka": 4, "links": 0})) == [
        "tasks of kind kafka_client: 3, expected 2 to 2"
    ]


def test_a_worker_that_says_it_cannot_read_stored_transcripts_may_have_no_client_for_them() -> None:
    without = OpenResources({**TASKS, "kafka_client": 5}, SOCKETS)
    assert differences(replace(OWNED, unread=True), without) == []
    assert differences(replace(OWNED, unread=True), OpenResources(TASKS, SOCKETS)) == []
    assert differences(OWNED, without) == ["tasks of kind kafka_client: 5, expected 6 to 7"]


def test_sockets_are_told_apart_by_their_addresses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as kafka, socket.create_server(("127.0.0.1", 0)) as http:
        addresses = [one.getsockname() for one in (kafka, http)]
        with socket.create_connection(addresses[0]), socket.create_connection(addresses[1]), http.accept()[0]:
            found = sockets_of(os.getpid(), [f"127.0.0.1:{addresses[0][1]}"], addresses[1][1])
    assert found == {"kafka": 1, "http": 1, "links": 1}
