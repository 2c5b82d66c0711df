"""Several copies of one chat: each event once, changes as amendments, losses only where no copy helps."""

from __future__ import annotations

import pytest

from bridge.archive.merging import merged, open_losses
from bridge.archive.stored_documents import StoredDocument, loss
from bridge.transcript.entries import ARCHIVE, Gap, SessionFacts
from bridge.transcript.events import ChatEvent, ChatTranscript, MessageText
from bridge.transcript.fold import Transcript
from bridge.transcript.state import TranscriptState

VERSION = 106


def copy(*texts: str, first: int = 1, losses: tuple[tuple[int | None, int | None], ...] = ()) -> StoredDocument:
    """A copy with messages under rising ids; an empty text stands for an id that it does not hold."""
    events = [
        ChatEvent("message", event_id, "U", message_text=MessageText(text))
        for event_id, text in enumerate(texts, first)
        if text
    ]
    transcript = ChatTranscript("S1", "2031-03-05T10:00:00Z", chat_event_list=events)
    return StoredDocument(transcript, losses=[loss(*ids) for ids in losses])


def told(*copies: StoredDocument) -> list[str]:
    """What a fold makes of the copies: the text of each event, `+` before an amendment, ids of a gap."""
    fold = Transcript(TranscriptState(SessionFacts("S1")))
    out: list[str] = []
    for part in merged(copies, 5, VERSION):
        if isinstance(part, Gap):
            out.append(f"{part.from_event_id}..{part.to_event_id}")
            continue
        for entry in fold.apply(part, origin=ARCHIVE):
            assert entry.event is not None
            assert entry.event.message_text is not None
            out.append("+" * bool(entry.amendment) + entry.event.message_text.text)
    return out


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        ((copy("a", "b"),), ["a", "b"]),
        ((copy("a", "b"), copy("a", "b")), ["a", "b"]),
        ((copy("a", "b"), copy("a", "b", "c")), ["a", "b", "c"]),
        ((copy("a", "", "c"), copy("", "b", "")), ["a", "b", "c"]),
        ((copy("a", "B", "c"), copy("a", "b")), ["a", "b", "+B", "c"]),
        ((copy("a", "b"), copy("a", "B", "c")), ["a", "b", "+B", "c"]),
        ((copy("a", "b", "c"), copy("a", "B", "c"), copy("a", "b", "c", "d")), ["a", "B", "+b", "c", "d"]),
        ((copy("a", "b\ufffd"), copy("a", "b!")), ["a", "b!"]),
        ((copy("a", "b!"), copy("a", "b\ufffd", "c")), ["a", "b!", "c"]),
        ((copy("a\ufffd"), copy("a\ufffd\ufffd")), ["a\ufffd\ufffd"]),
        ((copy("a", "", "c", losses=((2, 2),)),), ["a", "2..2", "c"]),
        ((copy("a", "", "c", losses=((2, 2),)), copy("a", "b")), ["a", "b", "c"]),
        ((copy("a", losses=((2, None),)),), ["a", "2..None"]),
        ((copy("a", losses=((2, None),)), copy("a", "b")), ["a", "b"]),
        ((copy(losses=((None, None),)),), ["None..None"]),
    ],
)
def test_a_fold_of_the_copies_has_each_event_once_and_changes_after_it(
    copies: tuple[StoredDocument, ...], expected: list[str]
) -> None:
    assert told(*copies) == expected


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        # a sound copy that goes further says that nothing was there
        ((copy("a", "", "c", losses=((2, 2),)), copy("a", "", "c")), []),
        # one that ends before does not
        ((copy("a", "", "c", losses=((2, 2),)), copy("a")), [(2, 2)]),
        # two that have lost the same do not help each other
        ((copy("a", "", "c", losses=((2, 2),)), copy("a", "", "c", losses=((2, 2),))), [(2, 2)]),
        ((copy("a", losses=((2, None),)), copy("a", losses=((2, None),))), [(2, None)]),
        # each of two helps the other where it has lost nothing
        ((copy("a", "", "c", "d", losses=((2, 2),)), copy("a", "b", "", "d", losses=((3, 3),))), []),
        # what is cut off later is all that is open
        ((copy("a", losses=((2, None),)), copy("a", "b", "c", losses=((4, None),))), [(4, None)]),
        ((copy("a", losses=((None, None),)), copy("a", "b")), []),
        ((copy("a", losses=((None, None),)), copy("a", losses=((None, None),))), [(None, None)]),
    ],
)
def test_a_loss_is_open_until_a_copy_makes_it_good(
    copies: tuple[StoredDocument, ...], expected: list[tuple[int | None, int | None]]
) -> None:
    for order in (copies, copies[::-1]):
        assert [(gap.from_event_id, gap.to_event_id) for gap in open_losses(order)] == expected


def test_the_start_is_that_of_a_copy_that_has_one() -> None:
    fuller = copy("a", "b")
    fuller.transcript = ChatTranscript("S1", chat_event_list=fuller.transcript.chat_event_list)
    [update] = merged([fuller, copy("a")], 5, VERSION)
    assert not isinstance(update, Gap)
    assert (update.transcript.start_at, update.over, update.snapshot) == ("2031-03-05T10:00:00Z", True, True)
