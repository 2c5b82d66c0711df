"""A second kind of source: each chat is a file of JSON lines, one event a line, that others append to.

An empty object ends the chat. It shows that the engine needs nothing of Chat Server.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from bridge.capture.ports import PlaceUse
from bridge.transcript.events import ChatEvent, ChatTranscript
from bridge.transcript.updates import TranscriptUpdate

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from bridge.capture.ports import Deliver, Failed

_POLL_SECONDS = 0.02


class DirectorySource:
    """The files of one shard. Each is read from its beginning, then followed."""

    def __init__(self, folder: Path, deliver: Deliver, failed: Failed) -> None:
        self._folder = folder
        self._deliver = deliver
        self._failed = failed
        self.unstable: dict[str, int] = {}
        self.unreachable: dict[str, str] = {}
        self.has_link = False
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._reading = asyncio.Event()
        self._reading.set()

    @property
    def connections(self) -> int:
        return len(self._tasks)

    @property
    def followed(self) -> Collection[str]:
        return self._tasks.keys()

    @property
    def places(self) -> dict[str, PlaceUse]:
        return {str(self._folder): PlaceUse(links=len(self._tasks), joined=len(self._tasks))}

    @property
    def chats_joined(self) -> int:
        return len(self._tasks)

    def joined_at(self, session_id: str) -> str | None:
        return str(self._folder) if session_id in self._tasks else None

    def follow(self, session_id: str, places: tuple[str, ...], secret: str | None) -> None:  # noqa: ARG002
        if session_id not in self._tasks:
            self._tasks[session_id] = task = asyncio.get_running_loop().create_task(self._read(session_id))
            task.add_done_callback(self._ended)

    def forget(self, session_id: str) -> None:
        if task := self._tasks.pop(session_id, None):
            task.cancel()

    def acknowledge(self, session_id: str) -> None:
        """No chat is given up."""

    def pause(self) -> None:
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()

    async def close(self, *, leave: bool) -> None:  # noqa: ARG002 - nobody notices a reader of a file
        tasks = list(self._tasks.values())
        for session_id in list(self._tasks):
            self.forget(session_id)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._failed(error)

    async def _read(self, session_id: str) -> None:
        path, done, over = self._folder / f"{session_id}.jsonl", 0, False
        while not over:
            await self._reading.wait()
            data = path.read_bytes()[done:]
            lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
            if lines or not done:
                size = sum(len(line) for line in lines)
                over = b"{}\n" in lines
                events = [msgspec.json.decode(line, type=ChatEvent) for line in lines if line != b"{}\n"]
                now = time.time_ns() // 1000
                transcript = ChatTranscript(session_id, chat_event_list=events)
                update = TranscriptUpdate(
                    transcript, over, snapshot=not done, observed_at=now, size=size, source="DIRECTORY"
                )
                self._deliver(update, size)
                done += size
            await asyncio.sleep(_POLL_SECONDS)
