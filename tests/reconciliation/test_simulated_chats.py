"""Hundreds of chats of the simulator, followed live with interruptions and stored by UCS: nothing is left unexplained.

Both sides come from one model of Chat Server, and go through the shard and through the stored form of the simulator.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from msgspec import structs

from bridge.archive.repaired_xml import read_repaired
from bridge.reconciliation.archived_records import archived_records
from bridge.reconciliation.captured_chat import CapturedChat
from bridge.reconciliation.comparison import FILLED, MATCHED, StoredChatContents, compare_chat
from bridge.reconciliation.id_agreement import AGREE, IdAgreement
from bridge.simulator.harness.ledger import visible_to_monitor
from bridge.simulator.model.effects import EventAdded, SessionRestored
from bridge.simulator.model.restoration import RestorePlan
from bridge.simulator.traffic.scenario import ScenarioSettings
from bridge.simulator.ucs.played_chats import PlayedChat, played_chat
from bridge.simulator.ucs.saved_chats import SavedChats
from bridge.simulator.ucs.stored_form import StoredForm
from bridge.transcript.events import ChatEvent
from bridge.transcript.updates import LinkDown
from tests.capture.recorded_shard import RecordedShard
from tests.capture.stored_documents_of import of_text
from tests.capture.test_session_store import NOW
from tests.support.reasons import A_RESET
from tests.transcript.build import CHAT, history, push

if TYPE_CHECKING:
    from bridge.reconciliation.comparison import ChatComparison
    from bridge.transcript.updates import TranscriptUpdate

CHATS: Final = 25
START: Final = 1_930_000_000.0
BREAKS: Final = 0.05
"""Share of events at which the connection of the monitor breaks."""
FORMS: Final = {
    "as it is": StoredForm(),
    "with typing": StoredForm(save_typing=True),
    "masked at the end": StoredForm(masking="history-final"),
    "always masked": StoredForm(masking="history-all"),
    "of an older server": StoredForm(old_server=True),
}
FAIL_OVERS: Final = {
    "no fail-over": None,
    "a fail-over": RestorePlan(),
    "a fail-over with losses": RestorePlan(lose_last=3),
    "a fail-over that uses ids again": RestorePlan(lose_last=3, continue_ids=False),
    "a fail-over that masks": RestorePlan(mask=True),
}


def stored_text(played: PlayedChat, form: StoredForm) -> bytes:
    """The last stored text of a chat, under the id of the tests' chat."""
    saved = SavedChats(form)
    texts = [row.text for at, effect in played.effects for row in saved.rows(effect, at) if row.text is not None]
    return texts[-1].replace(played.session_id, CHAT).encode()


def followed(played: PlayedChat, rng: random.Random) -> RecordedShard:
    """What a monitor sees of a chat: its connection breaks when the server fails, and now and then."""
    shard, there = RecordedShard(), list[ChatEvent]()
    shard.fold(_join(played, there))
    for _, effect in played.effects:
        if isinstance(effect, SessionRestored):
            there = [event for event in there if event.event_id not in effect.lost]
            shard.fold(LinkDown(CHAT, A_RESET, NOW), _join(played, there))
        elif isinstance(effect, EventAdded) and visible_to_monitor(effect.event):
            there.append(effect.event)
            broken = rng.random() < BREAKS
            shard.fold(
                *([LinkDown(CHAT, A_RESET, NOW), _join(played, there)] if broken else [_of(played, effect.event)])
            )
    shard.fold(_of(played, over=True))
    return shard


def _join(played: PlayedChat, events: list[ChatEvent]) -> TranscriptUpdate:
    return _started(history(*events), played)


def _of(played: PlayedChat, *events: ChatEvent, over: bool = False) -> TranscriptUpdate:
    return _started(push(*events, over=over), played)


def _started(update: TranscriptUpdate, played: PlayedChat) -> TranscriptUpdate:
    return replace(update, transcript=structs.replace(update.transcript, start_at=played.start_at))


def compared(shard: RecordedShard, text: bytes) -> ChatComparison:
    copies = read_repaired(text, "ucs#1", session_id=CHAT).documents
    records, _ = archived_records(CHAT, copies, shard.settings.recording, NOW)
    ids = [[event.event_id for event in copy.transcript.chat_event_list] for copy in copies]
    captured = CapturedChat(CHAT, shard.records(), shard.certificates()[-1])
    return compare_chat(captured, StoredChatContents(records, ids))


@pytest.mark.parametrize("fail_over", FAIL_OVERS)
@pytest.mark.parametrize("form", FORMS)
def test_a_chat_that_was_followed_and_stored_has_no_unexplained_difference(form: str, fail_over: str) -> None:
    settings = ScenarioSettings(seed=31, mean_events=25)
    agreement, results = IdAgreement(), Counter[str]()
    for number in range(CHATS):
        played = played_chat(settings, number, START, FAIL_OVERS[fail_over])
        shard = followed(played, random.Random(f"{form} {fail_over} {number}"))
        text = stored_text(played, FORMS[form])
        first = compared(shard, text)
        assert first.unexplained == [], (number, first.unexplained)
        shard.fold(*of_text(text))
        filled = compared(shard, text)
        assert (filled.unexplained, filled.missing) == ([], 0), (number, filled.differences)
        assert shard.findings() == []
        agreement.take(filled)
        results[filled.result] += 1
    assert results.keys() <= {MATCHED, FILLED}
    assert agreement.verdict == AGREE
    assert agreement.agreeing > 10 * CHATS
