"""Open tasks are counted by kind: the bridge's own by their names, those of libraries by the module of their code."""

from __future__ import annotations

import asyncio

from aiokafka.client import AIOKafkaClient
from aiokafka.producer.sender import Sender

from bridge.adapters.open_tasks import open_tasks
from bridge.meters import TASK_KINDS
from tests.adapters.http_peers import GET, Scene, answer_of, play


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_own_tasks_are_known_by_their_names_and_nothing_else_passes_for_one() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        names = ["shard 1", "shard 2", "queue chat-1:4800", "release 3", "sharding", "unheard of"]
        tasks = [loop.create_task(forever(), name=name) for name in names]
        assert open_tasks() == {"shard": 2, "queue": 1, "release": 1, "other": 3}  # this one, too
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert open_tasks() == {"other": 1}

    asyncio.run(main())


def test_tasks_of_aiokafka_are_told_apart() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
        work = [client._md_synchronizer(), Sender._sender_routine(Sender.__new__(Sender)), asyncio.Event().wait()]
        tasks = [loop.create_task(one) for one in work]
        assert open_tasks() == {"kafka_client": 1, "kafka": 2, "other": 1}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await client.close()

    asyncio.run(main())


def test_each_http_connection_has_one_task() -> None:
    async def act(scene: Scene) -> None:
        for number in (1, 2):
            reader, _ = await scene.peer(GET)
            assert (await answer_of(reader))[0] == 200
            assert open_tasks()["http"] == number

    play(act)


def test_every_kind_is_a_label_of_the_metric() -> None:
    assert {"worker", "capture", "shard", "queue", "release", "kafka_client", "kafka_connection", "kafka", "http"} < {
        *TASK_KINDS
    }
