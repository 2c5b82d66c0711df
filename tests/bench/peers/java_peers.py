"""The peers that are Java programs: Kafka Connect and Kafka Streams, with jars of Maven Central."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from bridge.errors import EnvironmentFault
from bridge.sandbox.jars import JavaProgram, cache_directory, java
from bridge.sandbox.process import LOOPBACK, free_ports, tail
from tests.bench.peers.line_peer import NO_CHATS, FromFile, FromTopic, PeerPlace, PeerProcess
from tests.support.processes import wait_for

_SOURCES: Final = Path(__file__).with_name("java")
_JARS: Final = JavaProgram("Kafka Connect and Kafka Streams 4.2", str(_SOURCES / "pom-peers.xml"), megabytes=107)
_LOG4J: Final = Path(__file__).parents[3] / "bridge" / "sandbox" / "log4j2-kafka.xml"
_START_SECONDS: Final = 120
_COMPILE_SECONDS: Final = 300
_CREATED: Final = 201
_STRING: Final = "org.apache.kafka.connect.storage.StringConverter"
# Those of Kafka's own script connect-distributed.sh.
_CONNECT_OPTIONS: Final = (
    *("-Xms256M", "-Xmx2G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"),
    *("-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"),
)


def class_path() -> str:
    """Return the class path of both programs, fetched and compiled the first time. Raises EnvironmentFault."""
    jars = _JARS.fetch()
    sources = sorted(_SOURCES.glob("*.java"))
    digest = hashlib.sha256(b"".join([jars.name.encode(), *(source.read_bytes() for source in sources)])).hexdigest()
    classes = cache_directory() / f"peers-classes-{digest[:12]}"
    if not classes.exists():
        _compile(jars, sources, classes)
    return f"{classes}:{jars}/*"


def _compile(jars: Path, sources: list[Path], classes: Path) -> None:
    compiler = shutil.which("javac")
    if compiler is None:
        raise EnvironmentFault("no javac in PATH", next_step="install a JDK 17 or later")
    with tempfile.TemporaryDirectory(prefix=".compiling-", dir=classes.parent) as scratch:
        made = Path(scratch, "classes")
        words = [compiler, "-cp", f"{jars}/*", "-d", str(made), *map(str, sources)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_COMPILE_SECONDS)
        if done.returncode:
            raise EnvironmentFault(f"javac ended with {done.returncode}: {done.stderr.strip()}")
        made.rename(classes)


def _started(place: PeerPlace, options: tuple[str, ...], words: list[str]) -> PeerProcess:
    """Start a Java program whose log and temporary files are in the peer's folder."""
    own = [f"-Djava.io.tmpdir={place.folder}", f"-Dlog4j2.configurationFile={_LOG4J}"]
    log = f"-Dsandbox.log={place.folder / 'java.log'}"
    return PeerProcess([java(), *options, *own, log, "-cp", class_path(), *words], place.folder)


class KafkaStreams(FromTopic):
    title = "Kafka Streams 4.2.1"
    configuration = (
        "processing.guarantee=exactly_once_v2, otherwise defaults (a commit every 100 ms); Java's defaults; Jackson "
        "for the key; the lines come through a topic of one partition, which costs it no CPU here"
    )

    def prepare(self) -> None:
        class_path()

    def start(self, place: PeerPlace) -> PeerProcess:
        return _started(place, (), ["KeyedLines", place.broker, place.records, place.lines, place.records])


class KafkaConnect(FromFile):
    title = "Kafka Connect 4.2.1, FileStreamSource 4.2.0"
    configuration = (
        "distributed, exactly.once.source.support=enabled and the connector's exactly.once.support=required, otherwise "
        "defaults (a transaction per poll; at the file's end the connector rests 1 s); one task; replication factor 1 "
        "for its own topics, as there is one broker; StringConverter; options of connect-distributed.sh; a "
        "transformation of ours for the key, with Jackson"
    )
    lacks = f"the file must be kept and never cut, and one file is one task; {NO_CHATS}"

    def prepare(self) -> None:
        class_path()

    def start(self, place: PeerPlace) -> PeerProcess:
        [port] = free_ports(1)
        settings = {
            "bootstrap.servers": place.broker,
            "group.id": f"{place.records}-connect",
            "exactly.once.source.support": "enabled",
            "key.converter": _STRING,
            "value.converter": _STRING,
            "listeners": f"http://{LOOPBACK}:{port}",
            **{f"{what}.storage.topic": f"{place.records}-{what}" for what in ("config", "offset", "status")},
            **{f"{what}.storage.replication.factor": "1" for what in ("config", "offset", "status")},
        }
        file = place.folder / "connect.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), "utf-8")
        process = _started(place, _CONNECT_OPTIONS, ["org.apache.kafka.connect.cli.ConnectDistributed", str(file)])
        try:
            self._submit(process, f"http://{LOOPBACK}:{port}/connectors", place)
        except BaseException:
            process.kill()
            raise
        return process

    def _submit(self, process: PeerProcess, url: str, place: PeerPlace) -> None:
        connector = {
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "tasks.max": "1",
            "file": str(place.file),
            "topic": place.records,
            "exactly.once.support": "required",  # refused where it is not had
            "transforms": "key",
            "transforms.key.type": "ChatKey",
        }
        body = json.dumps({"name": "lines", "config": connector}).encode()
        answers: list[str] = []

        def submitted() -> bool:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return bool(answer.status == _CREATED)
            except urllib.error.HTTPError as error:  # it answers before it is able to take a connector
                answers[:] = [error.read().decode()]
            except OSError as error:
                answers[:] = [str(error)]
            return not process.running

        wait_for(submitted, _START_SECONDS, lambda: f"Connect took no connector: {''.join(answers)}", poll=0.5)
        if not process.running:
            raise EnvironmentFault(f"Connect ended:\n{tail([place.folder / 'java.log', process.log])}")
