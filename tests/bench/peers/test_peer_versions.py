"""The versions that the printed table names are those that are fetched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.bench.peers.java_peers import KafkaConnect, KafkaStreams
from tests.bench.peers.python_peers import QuixStreams

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]


def versions(pom: Path) -> dict[str, str]:
    """Return the version of each dependency of a pom."""
    found = re.findall(r"<artifactId>([^<]*)</artifactId>\s*<version>([^<]*)</version>", pom.read_text("utf-8"))
    return dict(found)


def test_java_programs() -> None:
    fetched = versions(HERE / "java" / "pom-peers.xml")
    assert KafkaConnect.title == (
        f"Kafka Connect {fetched['connect-runtime']}, FileStreamSource {fetched['connect-file']}"
    )
    assert KafkaStreams.title == f"Kafka Streams {fetched['kafka-streams']}"


def test_java_programs_are_as_new_as_the_broker() -> None:
    broker = versions(ROOT / "bridge" / "sandbox" / "pom-kafka.xml")["kafka_2.13"]
    fetched = versions(HERE / "java" / "pom-peers.xml")
    assert {fetched["connect-runtime"], fetched["kafka-streams"]} == {broker}


def test_quix_streams_is_pinned_with_hashes() -> None:
    lock = (HERE / "requirements-quix.lock").read_text("utf-8")
    [version] = re.findall(r"^quixstreams==(\S+) \\\n    --hash=sha256:", lock, re.MULTILINE)
    assert QuixStreams.title == f"Quix Streams {version}"
