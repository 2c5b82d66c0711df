"""Chats for the tests of summaries: drawn at random from a few parties, and folded in one way or another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from bridge.records.avro import SESSION_CHECKPOINT, Schemas, schema_folder
from bridge.records.checkpoint import BatchStamp, CheckpointHead
from bridge.records.checkpoint_parts import Checkpoint, CheckpointParts
from bridge.records.checkpoint_reader import read_checkpoints
from bridge.records.payload_framing import single_object
from bridge.records.summary_record import summary_fields
from bridge.records.writer_schemas import WriterSchemas
from bridge.transcript.events import ChatEvent, Item, MessageText, NoticeText, Reason, UserInfo
from bridge.transcript.fold import Transcript
from bridge.transcript.summary import Summary
from tests.model.naive_summary import NaiveSummary, bucket
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMAS: Final = Schemas(schema_folder())
WRITERS: Final = WriterSchemas(SCHEMAS)
HEADER: Final = single_object(SCHEMAS.fingerprint(SESSION_CHECKPOINT))

_BOT: Final = [Item("GCTI_Chat_PartyStyle", value="BOT")]
_ASYNC: Final = [Item("GCTI_Chat_AsyncMode", value="true")]
_PARTIES: Final[tuple[tuple[str, str, str, list[Item]], ...]] = (
    ("C1", "CLIENT", "", []),
    ("C2", "CLIENT", "", _ASYNC),
    ("A1", "AGENT", "agent-1", []),
    ("A1b", "AGENT", "agent-1", []),
    ("A2", "AGENT", "agent-2", []),
    ("S1", "SUPERVISOR", "", []),
    ("B1", "AGENT", "", _BOT),
    ("B2", "AGENT", "", []),
    ("W1", "EXTERNAL", "", []),
    ("X1", "ROBOT", "", []),
)
_IDS: Final = [user_id for user_id, *_ in _PARTIES] + ["U1"]
_visibilities = st.sampled_from(["ALL", "ALL", "ALL", "ALL", "INT", "VIP", "CREW"])
_texts = st.sampled_from(["", "a", "hello", "Код ✓ 🙂", "x" * 40, "y" * 300])
_messages = st.builds(MessageText, _texts, st.none(), st.sampled_from([None, "NORMAL", "SYSTEM"]))
_authors = st.sampled_from(_IDS)
_shifts = st.sampled_from([0, 0, 1, 5, 29, 40, 3_000, 100_000])


@st.composite
def _event(draw: st.DrawFn, event_id: int, at: int) -> ChatEvent:
    """An event; joins and departures are more likely than in a chat of people."""
    kind = draw(st.sampled_from(["newParty"] * 4 + ["message"] * 5 + ["partyLeft"] * 3 + ["notice"] * 2 + ["whisper"]))
    told: dict[str, Any] = {"time_shift": at, "visibility": draw(_visibilities)}
    if kind == "newParty":
        user_id, user_type, person, data = draw(st.sampled_from(_PARTIES))
        told["user_info"] = UserInfo(user_id, user_type, person)
        told["user_data"] = data
        told["message_text"] = draw(st.none() | st.none() | _messages)
        return ChatEvent(kind, event_id, user_id, **told)
    user_id = draw(_authors)
    if kind == "message":
        told["message_text"] = draw(st.none() | _messages | _messages | _messages)
        told["receiver_id"] = draw(st.sampled_from([None, None, None, "A1"]))
    elif kind == "partyLeft":
        told["reason"] = draw(st.builds(Reason, st.none() | st.integers(0, 9)))
        told["asker_id"] = draw(st.none() | st.just(user_id) | _authors)
        told["message_text"] = draw(st.none() | st.none() | _messages)
        told["event_attributes"] = draw(
            st.just([])
            | st.builds(
                lambda code: [Item("GCTI_SYSTEM", "kvlist", [Item("quit-reason-code", value=code)])],
                st.sampled_from("03457"),
            )
        )
    elif kind == "notice":
        words = [
            *(("SYS_COMMAND", "file-uploaded"), ("SYS_COMMAND", "file-deleted"), ("SYS_COMMAND", "ucs-save")),
            *(("USER_PUSHED_URL", "https://example.invalid"), ("IDLE_CONTROL_CLOSE", "bye"), ("TYPING_STARTED", "")),
        ]
        told["notice_text"] = NoticeText(*draw(st.sampled_from(words)))
    return ChatEvent(kind, event_id, user_id, **told)


@st.composite
def chats(draw: st.DrawFn) -> list[ChatEvent]:
    """The events of a chat, with rising ids that may have holes, and times that seldom fall."""
    events, event_id, at = [], draw(st.integers(0, 2)), 0
    for _ in range(draw(st.integers(1, 18))):
        at = max(at + draw(_shifts) - 3 * draw(st.sampled_from([0] * 15 + [1])), -2)
        events.append(draw(_event(event_id, at)))
        event_id += draw(st.sampled_from([1, 1, 1, 1, 2, 9]))
    return events


def restored(fold: Transcript) -> Transcript:
    """The same chat as another process finds it: from the bytes of its whole checkpoint."""
    seldom = fold.seldom()
    head = CheckpointHead(
        "FOLLOWED",
        fold.sequence,
        seldom.epoch,
        bytes(32),
        fold.counts,
        seldom.absence,
        1,
        BatchStamp(5, 6),
        outlined=seldom.outlines is not None,
    )
    head.ids, closed = fold.take_blocks(again=True)
    records = CheckpointParts(CHAT, "main").changed(Checkpoint(head, b"{}", seldom, closed))
    _, found = read_checkpoints(WRITERS, [(key, HEADER + value) for key, value in records])
    return Transcript(found[CHAT].transcript())


def fields_of(fold: Transcript, *, missing: bool = False) -> dict[str, Any] | str:
    """The summary as a record, or the code that says why there is none."""
    told = fold.summary(missing=missing)
    return summary_fields(told) if isinstance(told, Summary) else told


def expected(events: Sequence[ChatEvent]) -> dict[str, Any] | str:
    """What the naive implementation finds; percentiles as the true ones, which a sketch may be 1/32 away from."""
    naive = NaiveSummary(list(events))
    if not naive.events:
        return "NOTHING_SEEN"
    times = sorted(naive.responses())
    buckets = [bucket(one) for one in times]
    return {
        **naive.fields(),
        "agentResponses": {
            "count": len(times),
            "sumSeconds": sum(times),
            "maxSeconds": times[-1] if times else None,
            "p50Seconds": times[(len(times) + 1) // 2 - 1] if times else None,
            "p90Seconds": times[-(-len(times) * 9 // 10) - 1] if times else None,
            "buckets": [{"fromSeconds": name, "count": buckets.count(name)} for name in sorted(set(buckets))],
        },
    }


def same_figures(found: dict[str, Any] | str, wanted: dict[str, Any] | str) -> bool:
    """Compare; percentiles within the stated error."""
    if isinstance(found, str) or isinstance(wanted, str):
        return found == wanted
    own, true = dict(found["agentResponses"]), dict(wanted["agentResponses"])
    for name in ("p50Seconds", "p90Seconds"):
        one, other = own.pop(name), true.pop(name)
        if one != other and (None in (one, other) or other < 32 or abs(one - other) * 32 > other):
            return False
    return {**found, "agentResponses": own} == {**wanted, "agentResponses": true}


def amended(event: ChatEvent) -> ChatEvent:
    """The same event with another text and another reason, if it has them."""
    message, reason = event.message_text, event.reason
    return ChatEvent(
        event.event_type,
        event.event_id,
        event.user_id,
        time_shift=event.time_shift,
        visibility=event.visibility,
        receiver_id=event.receiver_id,
        user_info=event.user_info,
        message_text=None if message is None else MessageText(message.text + " amended", None, message.treat_as),
        notice_text=event.notice_text,
        asker_id=event.asker_id,
        reason=None if reason is None else Reason(2, "left with request to close forcedly"),
        user_data=event.user_data,
        event_attributes=event.event_attributes,
    )
