"""The peers that are Python programs: bare aiokafka, and Quix Streams in an environment of its own."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench.peers.line_peer import NO_CHATS, FromPipe, FromTopic, PeerPlace, PeerProcess
from tests.support.python_environments import python_with

if TYPE_CHECKING:
    from typing import ClassVar

_LOCK: Final = Path(__file__).with_name("requirements-quix.lock")


class BareSend(FromPipe):
    title = "aiokafka, `send`"
    configuration = (
        "aiokafka's defaults and a transactional id; lines from a pipe, a transaction of those that have arrived, at "
        "most 1,000; uvloop, msgspec for the key"
    )
    lacks = f"no place in the input is kept: after a crash lines are lost or repeated; {NO_CHATS}"
    mode: ClassVar[str] = "send"

    def prepare(self) -> None:
        """All of it is there."""

    def start(self, place: PeerPlace) -> PeerProcess:
        words = [sys.executable, "-m", "tests.bench.peers.bare_lines", str(place.file), place.broker, place.records]
        return PeerProcess([*words, self.mode], place.folder)


class BareSendAgain(BareSend):
    title = "aiokafka, `send`, again (A/A)"


class BareBatch(BareSend):
    title = "aiokafka, `send_batch`"
    mode = "batch"


class QuixStreams(FromTopic):
    title = "Quix Streams 3.28.1"
    configuration = (
        'processing_guarantee="exactly-once", otherwise defaults (a commit every 5 s, JSON in and out); the lines come '
        "through a topic of one partition, which costs it no CPU here"
    )

    def prepare(self) -> None:
        self._python()

    def start(self, place: PeerPlace) -> PeerProcess:
        program = Path(__file__).with_name("quix_keyed.py")
        words = [str(self._python()), str(program), place.broker, place.records, place.lines, place.records]
        return PeerProcess([*words, str(place.folder)], place.folder)

    def _python(self) -> Path:
        digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]
        return python_with(f"quix-{digest}", ["--require-hashes", "-r", str(_LOCK)])
