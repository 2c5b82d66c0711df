"""The engine with another kind of source than Chat Server: killed, handed over, verified.

`python -m tests.integration.test_second_source FOLDER run ...` is `chatbridge run` with the source of
tests/sources/directory_source.py; the product's code is untouched.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bridge import app, cli
from bridge.commands import run as run_command
from tests.integration.e2e_environment import E2EEnvironment
from tests.sources.directory_source import DirectorySource
from tests.support.processes import Bridge, Process, wait_for

if TYPE_CHECKING:
    from bridge.capture.ports import Deliver, Failed, Source
    from bridge.config import Config
    from bridge.source_factory import SourceContext

CHATS = 12
EVENTS = 120


class Chats(threading.Thread):
    """Writes the chats' files, an event at a time; `written`: number of events per chat."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.written = {f"0000FILES{number:07}": 0 for number in range(CHATS)}
        self.go_on = threading.Event()
        for session_id in self.written:
            (folder / f"{session_id}.jsonl").touch()

    def run(self) -> None:
        rng = random.Random(7)
        left = [session_id for session_id in self.written for _ in range(EVENTS)]
        rng.shuffle(left)
        for session_id in left:
            self.written[session_id] += 1
            self._write(session_id, event(self.written[session_id]))
            self.go_on.wait(0.004)
        for session_id in self.written:
            self._write(session_id, {})

    def _write(self, session_id: str, value: dict[str, Any]) -> None:
        with (self.folder / f"{session_id}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(value) + "\n")


def event(number: int) -> dict[str, Any]:
    if number == 1:
        return {"eventType": "newParty", "eventId": 1, "userId": "A", "userInfo": {"userNickname": "Visitor"}}
    return {"eventType": "message", "eventId": number, "userId": "A", "messageText": {"text": f"number {number}"}}


def test_another_source_survives_a_kill_and_a_hand_over_and_its_chats_verify(broker: str, tmp_path: Path) -> None:
    environment = E2EEnvironment(broker, tmp_path, kafka__session_timeout_seconds=6).prepare()
    folder = tmp_path / "chats"
    folder.mkdir()
    chats = Chats(folder)

    class FromFiles(Bridge):
        program = ["-m", "tests.integration.test_second_source", str(folder)]  # noqa: RUF012

    def captured(bridge: Bridge) -> float:
        return bridge.metric("chatbridge_events_total")

    with environment.bridge("one", make=FromFiles) as first:
        first.wait_ready()
        announced = [{"sessionId": name, "host": "files", "port": 1} for name in chats.written]
        assert first.post("/v1/sessions", announced)[0] == 202
        chats.start()
        try:
            wait_for(lambda: captured(first) > 2 * CHATS, 30, "nothing is captured")
            first.kill()
            with environment.bridge("two", make=FromFiles).wait_ready() as second:
                wait_for(lambda: captured(second) > 2 * CHATS, 30, "nothing is captured after the kill")
                with environment.bridge("three", make=FromFiles).wait_ready() as third:
                    wait_for(lambda: third.metric("chatbridge_shards") > 0, 30, "the third has no shard")
                    assert second.terminate() == 0
                    wait_for(lambda: third.metric("chatbridge_shards") == 3, 30, "the shards were not handed over")
                    chats.go_on.set()
                    chats.join()
                    wait_for(lambda: len(environment.certificates()) == CHATS, 60, "some chats have no certificate")
        finally:
            chats.go_on.set()
            chats.join()
    records = [record for record in environment.records("events") if record["eventId"] is not None]
    for session_id, count in chats.written.items():
        assert count == EVENTS
        found = [record["eventId"] for record in records if record["sessionId"] == session_id]
        assert found == list(range(1, EVENTS + 1)), session_id
    assert {record["message"]["text"] for record in records if record["message"]} == {
        f"number {number}" for number in range(2, EVENTS + 1)
    }
    assert {certificate["verdict"] for certificate in environment.certificates().values()} == {"COMPLETE"}
    words = ["verify", "--bootstrap-servers", broker, "--topic-prefix", environment.prefix]
    with Process(words, tmp_path / "verify.log") as verified:
        assert verified.wait(60) == 0


class DirectorySources:
    """The sources of one worker."""

    joins_waiting = joins_budget = 0
    joins_paused = False
    client_versions: ClassVar[dict[str, int]] = {}
    stored_edits_seconds = 0.0

    def __init__(self, _context: SourceContext) -> None:
        pass

    def pause_joins(self) -> None:
        """Nothing is joined."""

    def resume_joins(self) -> None:
        """Nothing is joined."""

    def make_source(self, deliver: Deliver, failed: Failed) -> Source:
        return DirectorySource(Path(FOLDER), deliver, failed)

    def make_feeder(self, _deliver: object, _failed: object) -> None:
        """No stored transcripts are followed."""


def _run_worker(config: Config) -> int:
    return app.run_worker(config, DirectorySources)


if __name__ == "__main__":
    FOLDER = sys.argv.pop(1)
    run_command.run_worker = _run_worker  # type: ignore[attr-defined,assignment]
    sys.exit(cli.main())
