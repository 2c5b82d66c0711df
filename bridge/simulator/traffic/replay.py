"""Turns stored transcripts into scenarios, to replay them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bridge.archive import ucs_xml
from bridge.errors import UsageError
from bridge.simulator.traffic.actions import Action, AddRecordedEvent, CloseRecorded, OpenRecorded, Scenario
from bridge.simulator.traffic.scenario import session_id
from bridge.transcript.events import CLIENT, NEW_PARTY, Items

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bridge.transcript.events import ChatTranscript


def read_folder(folder: Path) -> list[ChatTranscript]:
    """Return the transcripts of all XML files of a folder, sorted by file name.

    Raises UsageError when there is no XML file, UnreadableTranscript when one cannot be read.
    """
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise UsageError(f"no XML file in {folder}", next_step="name a folder with stored transcripts")
    return [ucs_xml.read(file.read_bytes(), str(file)).transcript for file in files]


def replayed(transcript: ChatTranscript, speed: float, new_id: str | None = None) -> Scenario:
    """Return a stored chat as a scenario: events keep ids, users and attributes; time shifts are divided by `speed`.

    `new_id` replaces the session id when a transcript is replayed again: a session id must not be used twice.
    """
    return Scenario(new_id or transcript.session_id, _steps(transcript, speed))


def _steps(transcript: ChatTranscript, speed: float) -> Iterator[tuple[float, Action]]:
    yield 0.0, OpenRecorded(_creator_data(transcript))
    before = 0
    for event in transcript.chat_event_list:
        pause = max(0, event.time_shift - before) / speed
        before = max(before, event.time_shift)
        yield pause, AddRecordedEvent(msgspec.structs.replace(event, time_shift=int(event.time_shift / speed)))
    yield 0.0, CloseRecorded()


def _creator_data(transcript: ChatTranscript) -> Items:
    for event in transcript.chat_event_list:
        if event.event_type == NEW_PARTY and event.user_info is not None and event.user_info.user_type == CLIENT:
            return event.user_data
    return []


class Replay:
    """An iterator of scenarios: every transcript once, or with `endless` repeatedly under new session ids."""

    def __init__(self, transcripts: list[ChatTranscript], speed: float, seed: int, *, endless: bool) -> None:
        """`seed` determines the session ids of later rounds."""
        self._transcripts = transcripts
        self._speed = speed
        self._seed = seed
        self._endless = endless
        self._next = 0

    def __call__(self) -> Scenario | None:
        """Return the next chat, None after the last."""
        round_number, at = divmod(self._next, len(self._transcripts))
        if round_number and not self._endless:
            return None
        self._next += 1
        new_id = session_id(self._seed, self._next) if round_number else None
        return replayed(self._transcripts[at], self._speed, new_id)
