"""Start without Kafka or registry, or with wrong topics: wait and give the reason, or refuse and give the next step."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import NewTopic

from bridge import __version__
from bridge.sandbox.process import free_ports
from tests.support.kafka_tools import create
from tests.support.processes import Bridge, wait_for
from tests.support.unique_prefixes import unique_prefix

if TYPE_CHECKING:
    from pathlib import Path


def unused_address() -> str:
    """Return an address on which nothing listens."""
    [port] = free_ports(1)
    return f"127.0.0.1:{port}"


def reasons(bridge: Bridge) -> str:
    status, body = bridge.get("/readyz")
    return " ".join(str(reason) for reason in json.loads(body)["reasons"]) if status == 503 else ""


def warnings_written(bridge: Bridge) -> int:
    return len(re.findall(r"^\S+ warning ", bridge.log.read_text("utf-8"), re.MULTILINE))


def warnings_counted(bridge: Bridge) -> float:
    return bridge.metric("chatbridge_log_lines_total", level="warning")


def test_without_kafka_it_waits_alive_and_says_why(tmp_path: Path) -> None:
    address = unused_address()
    with Bridge(address, tmp_path / "bridge.log", prefix="away.", worker="one") as bridge:
        wait_for(lambda: f"Kafka at {address} does not answer" in reasons(bridge), 30, "no true reason")
        assert bridge.get("/livez")[0] == 200
        assert f" http={bridge.url.removeprefix('http://')} probes=" in bridge.log.read_text("utf-8")
        wait_for(
            lambda: bridge.metric("chatbridge_event_loop_lag_seconds_count") > 1, 30, "nothing samples the event loop"
        )
        wait_for(lambda: 0 < warnings_written(bridge) == warnings_counted(bridge), 30, "nothing counts the log's lines")
        assert bridge.metric("chatbridge_build_info", version=__version__) == 1
        assert bridge.metric("chatbridge_config_info") == 1
        assert bridge.metric("chatbridge_tasks") > 0
        assert bridge.running
        assert bridge.terminate(15) == 0


def test_before_it_was_ever_ready_it_tells_announcers_when_to_come_again(tmp_path: Path) -> None:
    body = json.dumps({"sessionId": "0000AWAY00000001", "host": "chat-1", "port": 4800}).encode()
    with Bridge(unused_address(), tmp_path / "bridge.log", prefix="away.", worker="one") as bridge:
        wait_for(lambda: reasons(bridge), 30, "no reason")
        request = urllib.request.Request(f"{bridge.url}/v1/sessions", body, {"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        with refused.value as answer:
            assert (answer.code, answer.headers["Retry-After"]) == (503, "5")
            assert json.loads(answer.read())["accepted"] == 0
        assert bridge.terminate(15) == 0


def test_without_its_registry_it_waits_alive_and_becomes_ready_without_one(broker: str, tmp_path: Path) -> None:
    prefix = unique_prefix()
    url = f"http://{unused_address()}"
    with Bridge(
        broker, tmp_path / "bridge.log", prefix=prefix, worker="one", kafka__partitions=2, schema_registry__url=url
    ) as bridge:
        wait_for(lambda: "registry" in reasons(bridge) and url in reasons(bridge), 30, "no true reason")
        assert bridge.get("/livez")[0] == 200
        assert bridge.terminate(15) == 0
    with Bridge(broker, tmp_path / "again.log", prefix=prefix, worker="one", kafka__partitions=2) as again:
        again.wait_ready()
        assert again.terminate() == 0


def test_the_partitions_of_topics_that_exist_are_taken_whatever_the_setting_says(broker: str, tmp_path: Path) -> None:
    prefix = unique_prefix()
    with Bridge(broker, tmp_path / "first.log", prefix=prefix, worker="one", kafka__partitions=2) as first:
        first.wait_ready()
        assert first.terminate() == 0
    log = tmp_path / "second.log"
    with Bridge(broker, log, prefix=prefix, worker="one", kafka__partitions=3) as second:
        second.wait_ready()
        assert second.metric("chatbridge_shards") == 2
        assert "PARTITIONS_TAKEN" in [one["code"] for one in json.loads(second.get("/readyz")[1])["warnings"]]
        assert second.terminate() == 0
    assert "STATE_LOST" not in log.read_text(encoding="utf-8")  # nothing was captured before, and nothing lost
    assert log.read_text(encoding="utf-8").count("code=PARTITIONS_TAKEN") == 1


def test_topics_with_different_numbers_of_partitions_end_a_start(broker: str, tmp_path: Path) -> None:
    prefix, log = unique_prefix(), tmp_path / "bridge.log"
    for kind, partitions in (("events", 2), ("sessions", 3)):
        create(broker, NewTopic(f"{prefix}chat.transcript.{kind}.v1", partitions, 1))
    with Bridge(broker, log, prefix=prefix, worker="one", kafka__partitions=2) as bridge:
        assert bridge.wait(30) == 3
    said = log.read_text(encoding="utf-8")
    assert f"{prefix}chat.transcript.events.v1 has 2 partitions, {prefix}chat.transcript.sessions.v1 has 3" in said
    assert "A chat must have one partition number everywhere" in said


def differing(bridge: Bridge) -> list[str]:
    """Return the details of the warnings that partitions differ."""
    warnings = json.loads(bridge.get("/readyz")[1])["warnings"]
    return [one["detail"] for one in warnings if one["code"] == "PARTITIONS_DIFFER"]


def test_a_topic_of_stored_transcripts_with_other_partitions_is_a_warning_and_live_chats_go_on(
    broker: str, tmp_path: Path
) -> None:
    prefix = unique_prefix()
    stored = f"{prefix}chat.capture.stored.v1"
    create(broker, NewTopic(stored, 3, 1))
    with Bridge(broker, tmp_path / "bridge.log", prefix=prefix, worker="one", kafka__partitions=2) as bridge:
        bridge.wait_ready()
        told = f"{stored} has 3 partitions, the other topics have 2 "
        wait_for(lambda: any(one.startswith(told) for one in differing(bridge)), 30, lambda: str(differing(bridge)))
        assert bridge.ready
        assert bridge.terminate() == 0


def test_closed_chats_are_remembered_as_long_as_their_records_and_a_setting_below_is_named(
    broker: str, tmp_path: Path
) -> None:
    prefix, log = unique_prefix(), tmp_path / "bridge.log"
    month = 30 * 86_400
    settings = {"kafka__retention_seconds": month, "capture__closed_retention_seconds": 86_400}
    with Bridge(broker, log, prefix=prefix, worker="one", kafka__partitions=2, **settings) as bridge:
        bridge.wait_ready()
        assert bridge.terminate() == 0
    [line] = [line for line in log.read_text("utf-8").splitlines() if "closed_retention_extended" in line]
    values = dict(pair.split("=") for pair in line.split() if "=" in pair)
    assert values["setting"] == "86400"
    assert values["used"] == values["events"]
    assert float(values["used"]) > month
