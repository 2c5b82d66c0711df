"""Files of secrets that cannot be used for a while: what a worker asks Kafka periodically goes on with the former."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka.topic_plan import TopicPlan
from bridge.app import _WorkerProcess
from bridge.config import load
from bridge.errors import KafkaUnavailable
from bridge.source_factory import ChatServerSources

if TYPE_CHECKING:
    from pathlib import Path

NOBODY_LISTENS = "127.0.0.1:1"


@pytest.mark.parametrize("what", ["gone", "empty"])
def test_topics_and_rights_are_asked_for_although_the_file_of_a_password_cannot_be_used(
    tmp_path: Path, what: str
) -> None:
    password = tmp_path / "password"
    password.write_text("as it was at the start")
    flags = {
        "kafka.bootstrap_servers": NOBODY_LISTENS,
        "kafka.client.security_protocol": "SASL_PLAINTEXT",
        "kafka.client.sasl_mechanism": "PLAIN",
        "kafka.client.sasl_plain_username": "worker",
        "kafka.client.sasl_plain_password_file": str(password),
    }

    async def scene() -> None:
        process = _WorkerProcess(load(None, {}, flags), ChatServerSources)
        password.write_text("")
        if what == "gone":
            password.unlink()
        for watch in (process._topics, process._stored._own_topic):
            watch.found(TopicPlan())
            watch._due = 0.0
            await watch.refresh()  # Kafka does not answer, which it takes
        with pytest.raises(KafkaUnavailable):
            await process._watch._probe._rights.check()  # type: ignore[attr-defined]

    asyncio.run(scene())
