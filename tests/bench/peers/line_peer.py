"""What a peer is that gets lines, and the process that it runs in."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

from bridge.sandbox.process import GuardedProcess
from tests.support.processes import cpu_seconds_of

if TYPE_CHECKING:
    from types import TracebackType

PARTITIONS: Final = 12
"""Of the topics that are written to; as the bridge's."""
NO_CHATS: Final = (
    "no conversation with a Chat Server, no rejoining, no gap detection, no proof of order or completeness per chat, "
    "no schema, no state, no certificate, no compression"
)
"""What every peer lacks."""


@dataclass(frozen=True, slots=True)
class PeerPlace:
    """Where one peer works in one round: topics of its own, which exist, and a folder of its own, which is empty."""

    broker: str
    folder: Path
    records: str  #: the topic it writes to, of 12 partitions
    lines: str  #: a topic of one partition, for peers that read lines from a topic

    @property
    def file(self) -> Path:
        """Where lines are for peers that read them from a file or a pipe."""
        return self.folder / "lines.jsonl"


class PeerProcess:
    """A child process, which does not outlive this one. Its `with` block ends by killing it and removing its folder.

    Its output is in `log`, in that folder.
    """

    def __init__(self, words: list[str], folder: Path) -> None:
        self.log = folder / "process.log"
        self._guarded = GuardedProcess(words, root=folder, output=self.log)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._guarded.release()

    @property
    def running(self) -> bool:
        return self._guarded.running

    def kill(self) -> None:
        self._guarded.kill()

    def cpu_seconds(self) -> float:
        return cpu_seconds_of(self._guarded.pid)

    def peak_bytes(self) -> int:
        return peak_bytes(self._guarded.pid)


def peak_bytes(pid: int) -> int:
    """Return the most resident memory that a running process has had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


class LinePeer(ABC):
    """Something that brings JSON lines to a topic, keyed by chat. All texts are for the printed table."""

    title: ClassVar[str]
    configuration: ClassVar[str]
    lacks: ClassVar[str]  #: what it does less than the bridge

    @abstractmethod
    def prepare(self) -> None:
        """Fetch what is needed. Raises EnvironmentFault when it is not to be had."""

    @abstractmethod
    def start(self, place: PeerPlace) -> PeerProcess:
        """Start it; it may still be without work to do for a while after that. Raises what `not run` explains."""

    @abstractmethod
    def entrance(self, place: PeerPlace) -> list[str]:
        """Return the feeder's arguments that say where the lines go. Called before `start`."""


class FromPipe(LinePeer):
    """Reads lines from a named pipe."""

    def entrance(self, place: PeerPlace) -> list[str]:
        os.mkfifo(place.file)
        return ["--file", str(place.file)]


class FromFile(LinePeer):
    """Reads lines from a growing file."""

    def entrance(self, place: PeerPlace) -> list[str]:
        place.file.touch()
        return ["--file", str(place.file)]


class FromTopic(LinePeer):
    """Reads lines from a topic of one partition."""

    lacks = f"needs somebody who writes the lines to a topic, exactly once; {NO_CHATS}"

    def entrance(self, place: PeerPlace) -> list[str]:
        return ["--topic", place.broker, place.lines]
