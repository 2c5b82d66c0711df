"""The container of the rendered pod captures chats from a secured Kafka, and is stopped under load: nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.errors import EXIT_OK
from bridge.sandbox.process import free_ports
from tests.image.container_worker import MEMORY, ContainerWorker
from tests.image.rendered_pod import RenderedPod
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment, captured, followed
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.image.image_engine import ImageEngine
    from tests.support.secured_broker import SecuredBroker

pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]
CHATS = 20
FOLDERS = ("/tmp", "/var/tmp", "/run", "/opt/chatbridge", "/etc/chatbridge", "/run/secrets/chatbridge")  # noqa: S108
ARBITRARY = 1_000_660_000
"""A user that the image does not know, as OpenShift gives each name space one."""


def share(*workers: Bridge) -> list[str]:
    """Return the chats that these have joined, each as often as it is."""
    return sorted(chat["sessionId"] for worker in workers for chat in followed(worker) if chat["joined"])


def settled(*workers: Bridge) -> None:
    """Wait until every chat is joined by exactly one of them."""
    wait_for(
        lambda: len(share(*workers)) == len(set(share(*workers))) == CHATS,
        90,
        lambda: f"{len(share(*workers))} of {CHATS} are joined; {[worker.get('/readyz')[1] for worker in workers]}",
    )


def test_two_containers_capture_and_one_is_stopped_under_load(
    engine: ImageEngine, secured_broker: SecuredBroker, tmp_path: Path
) -> None:
    environment = E2EEnvironment(secured_broker.bootstrap_servers, tmp_path).prepare()
    secured_broker.grant(environment.prefix)
    pod = RenderedPod.read()
    gateway = f"127.0.0.1:{free_ports(1)[0]}"

    def worker(name: str, user: int | None = None) -> ContainerWorker:
        return ContainerWorker(
            engine,
            pod,
            secured_broker,
            tmp_path,
            prefix=environment.prefix,
            worker=name,
            user=user,
            kafka__partitions=PARTITIONS,
            sources__chat_server__gateway=gateway,
        )

    with worker("chatbridge-0") as one, worker("chatbridge-1", ARBITRARY) as other:
        one.wait_ready(120)
        other.wait_ready(120)
        assert [each.inside("id", "-u").stdout.strip() for each in (one, other)] == ["10001", str(ARBITRARY)]
        for each in (one, other):
            check = each.inside("chatbridge", "healthcheck")
            assert (check.returncode, check.stdout, check.stderr) == (EXIT_OK, "", "")
            assert each.memory_limit() == str(MEMORY)
            assert each.writable(*FOLDERS) == []
            assert each.inside("grep", "CapEff", "/proc/self/status").stdout.split() == ["CapEff:", "0" * 16]
            assert each.get("/metrics")[0] == 200
        with environment.chats(listen=gateway, concurrent_chats=CHATS, events_per_second=100, seed=5) as chats:
            settled(one, other)
            before = captured(other)
            assert {each: bool(share(each)) for each in (one, other)} == {one: True, other: True}
            wait_for(lambda: captured(other) > before + 100, 60, "too little is captured before the stop")
            assert other.terminate(pod.grace_seconds) == EXIT_OK, other.log.read_text("utf-8")[-3000:]
            settled(one)
            result = environment.finish(chats)
        assert one.terminate(pod.grace_seconds) == EXIT_OK
    assert result.explained == []
    assert result.chats == CHATS
    assert result.records > 0


def test_a_container_of_a_worker_that_does_not_answer_is_unhealthy(engine: ImageEngine) -> None:
    [port] = free_ports(1)
    check = engine.tried(*engine.run_words("alone", "--env", f"CHATBRIDGE_HTTP__PORT={port}", args=("healthcheck",)))
    assert check.returncode == 1, check.stderr
    assert f"no live worker on port {port}" in check.stderr
