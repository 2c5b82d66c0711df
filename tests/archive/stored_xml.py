"""Stored transcripts in XML, written without the bridge's writer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.archive.ucs_xml import read
from bridge.errors import UnreadableTranscript

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent

SAMPLES = sorted((Path(__file__).parent.parent / "samples").glob("*.xml"))


def stored(*events: str, root: str = "") -> bytes:
    """A stored transcript with these events, each on a line of its own from line 2 on."""
    inner = "".join(f"\n{event}" for event in events)
    opened = f'<chatTranscript startAt="2031-03-04T10:00:00Z" sessionId="S1" {root}>'
    return f"{opened}{inner}\n</chatTranscript>".encode()


def event_of(text: str) -> ChatEvent:
    """The one event of a transcript."""
    [event] = read(stored(text), "s").transcript.chat_event_list
    return event


def refusal(data: bytes) -> tuple[int, str, str]:
    """Line, code and reason of a refused transcript."""
    with pytest.raises(UnreadableTranscript) as caught:
        read(data, "archive.xml")
    assert str(caught.value) == f"archive.xml:{caught.value.line}: {caught.value.code}: {caught.value.reason}"
    return caught.value.line, caught.value.code, caught.value.reason
