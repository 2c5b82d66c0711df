"""What is read of a stored transcript is not held by its parser: thousands are read between two garbage collections."""

from __future__ import annotations

import contextlib
import gc

import pytest

from bridge.archive.repaired_xml import read_repaired
from bridge.archive.ucs_xml import write
from bridge.errors import UnreadableTranscript
from bridge.transcript.events import ChatTranscript
from tests.transcript.build import joined, left, said

WHOLE = write(ChatTranscript("CHAT", "2031-03-04T10:00:00Z", chat_event_list=[joined(1), said(2), left(3)]))


@pytest.mark.parametrize(
    "document",
    [
        WHOLE,
        WHOLE.replace(b"</message>", b"", 1),
        WHOLE[:-40],
        b"<!DOCTYPE a><chatTranscript/>",
        b"<other/>",
        b"<?xml version='1.0' encoding='no-such'?><chatTranscript/>",
        b"",
    ],
    ids=["whole", "damaged", "cut off", "document type", "another root", "unknown encoding", "empty"],
)
def test_reading_leaves_no_reference_cycle(document: bytes) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            with contextlib.suppress(UnreadableTranscript):
                read_repaired(document, "a file")
        assert gc.collect() < 20
    finally:
        gc.enable()
