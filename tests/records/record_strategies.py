"""Entries of every kind, with values no careful peer would send."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from bridge.records.checkpoint import BatchStamp, CheckpointHead
from bridge.records.held_records import HeldState
from bridge.records.output_chains import OutputChain, OutputGap
from bridge.records.split_numbers import SplitNumber
from bridge.records.watch_blocks import NO_OFFSETS, ChainOffsets
from bridge.transcript import entries as kinds
from bridge.transcript.endings import ChatEnd
from bridge.transcript.entries import Entry, Gap, Party, SessionFacts
from bridge.transcript.events import ChatEvent, Item, MessageText, NoticeText, Reason
from bridge.transcript.fingerprints import PrintLayout
from bridge.transcript.holes import Absence
from bridge.transcript.id_blocks import IdBlock, Prints, block_of, ids_of
from bridge.transcript.parties import SetBy
from bridge.transcript.ranges import IdRanges
from bridge.transcript.state import TranscriptState
from bridge.transcript.watch import Unwatched, Watch

SESSION = "0000TEST00000001"


def names_no_secret(drawn: str) -> bool:
    """Whether it is published as it is, wherever it stands; hypothesis draws words out of our own modules, too."""
    plain = drawn.casefold().replace("_", "").replace("-", "")
    return not any(
        name in plain for name in ("sessionpassword", "securekey", "pushnotificationdeviceid", "pushdeviceid")
    )


text = st.text(max_size=40).filter(names_no_secret) | st.sampled_from(
    ["", "ALL", "grüße 🙂", "x" * 63, "x" * 64, "x" * 9000]
)
longs = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, -1, 63, 64, -64, -65, 8191, 8192, 2**63 - 1])
nullable_text = st.none() | text
nullable_long = st.none() | longs
keys = st.text(max_size=12).filter(names_no_secret) | st.sampled_from(
    ["file-name", "file-size", "file-id", "GCTI_SYSTEM", "quit-reason-code", "a.b", "c#2", "\\"]
)


def _item(inner: st.SearchStrategy[list[Item]]) -> st.SearchStrategy[Item]:
    leaf = st.builds(
        Item, keys, st.sampled_from(["string", "int", "binary", "float"]), text | longs | st.floats(allow_nan=False)
    )
    return leaf | st.builds(Item, keys, st.just("kvlist"), inner)


items: st.SearchStrategy[list[Item]] = st.recursive(
    st.just([]), lambda inner: st.lists(_item(inner), max_size=5), max_leaves=12
)

parties = st.builds(
    Party,
    text,
    nullable_text,
    nullable_text,
    nullable_text,
    nullable_text,
    nullable_long,
    nullable_long,
    st.none() | st.just(True),
)
facts = st.builds(
    SessionFacts,
    st.just(SESSION),
    st.none() | st.integers(-62_135_596_800_000, 253_402_300_799_999),
    nullable_text,
    st.none() | st.booleans(),
    nullable_text,
    nullable_text,
    nullable_long,
    st.sampled_from(kinds.SOURCES),
)
gaps = st.builds(Gap, nullable_long, nullable_long, nullable_long, text)
origins = st.sampled_from([kinds.LIVE, kinds.REPLAY, kinds.ARCHIVE])
sequences = st.integers(1, 2**40)
epochs = st.integers(0, 300)
instants = st.integers(0, 2**55)

events = st.builds(
    ChatEvent,
    st.sampled_from(["newParty", "message", "notice", "partyLeft", "whisper"]),
    st.integers(1, 2**62),
    user_id=text,
    time_shift=longs,
    visibility=st.sampled_from(["ALL", "INT", "VIP", "CREW"]),
    receiver_id=nullable_text,
    message_text=st.none() | st.builds(MessageText, text, nullable_text, nullable_text),
    notice_text=st.none()
    | st.builds(NoticeText, st.sampled_from(["SYS_COMMAND", "USER_CUSTOM", "NEWER"]), text | st.just("file-uploaded")),
    asker_id=nullable_text,
    reason=st.none() | st.builds(Reason, nullable_long, text),
    user_data=items,
    event_attributes=items,
    unknown_attributes=st.dictionaries(text, text, max_size=3),
)
_KIND = {
    "newParty": kinds.PARTY_JOINED,
    "message": kinds.MESSAGE,
    "notice": kinds.NOTICE,
    "partyLeft": kinds.PARTY_LEFT,
    "whisper": kinds.UNKNOWN,
}


@st.composite
def transcript_entries(draw: st.DrawFn) -> Entry:
    event = draw(events)
    amendment = draw(st.integers(0, 3))
    return Entry(
        _KIND[event.event_type],
        draw(sequences),
        draw(origins),
        draw(instants),
        event,
        draw(parties),
        amendment,
        reused=draw(st.booleans()),
        fills=None if amendment else draw(st.none() | sequences),
    )


entries = (
    transcript_entries()
    | st.builds(Entry, st.just(kinds.GAP), sequences, origins, instants, gap=gaps)
    | st.builds(Entry, st.just(kinds.RESUMED), sequences, origins, instants)
)


print_layouts = st.builds(PrintLayout, st.integers(0, 9), st.integers(0, 2**32 - 1))
any_prints = st.builds(Prints, st.binary(max_size=60), print_layouts)


@st.composite
def id_blocks(draw: st.DrawFn) -> list[IdBlock]:
    """Blocks as a chat may have them, lowest first; ids may lie far apart, and be below 0."""
    begins = st.integers(0, 60) | st.integers(-(2**63), 2**63 - 100)
    ids = IdRanges(
        draw(st.lists(st.builds(lambda low, more: (low, low + more), begins, st.integers(0, 40)), max_size=4))
    )
    return [
        IdBlock(ids.within(*ids_of(number)), draw(any_prints), draw(st.binary(max_size=30)))
        for number in sorted({block_of(one) for one in ids})
    ]


counts = st.dictionaries(st.sampled_from([kinds.MESSAGE, kinds.GAP, kinds.NOTICE]), st.integers(0, 10**6))
known_parties = st.lists(
    st.tuples(parties, st.builds(SetBy, st.integers(-1, 2**62), st.integers(-1, 2**62))), max_size=3
)
us = st.integers(0, 2**55)
_intervals = st.builds(Unwatched, us, st.none() | us, st.sampled_from(["RESET", "NOT_TOLD"]))
watches = st.builds(
    Watch,
    since_opening=st.booleans(),
    joined_at=st.none() | us,
    history_to=nullable_long,
    lowest_version=st.none() | st.integers(101, 106),
    highest_version=st.none() | st.integers(101, 106),
    visibility=st.none() | st.just("VIP"),
    sources=st.lists(st.sampled_from(kinds.SOURCES), max_size=2).map(tuple),
    unwatched=st.lists(_intervals, max_size=3).map(tuple),
    unwatched_more=st.integers(0, 9),
    closing=st.none()
    | st.builds(ChatEnd, longs, st.sampled_from(["CLOSED", "IDLE"]), st.none() | text, st.none() | text),
    direct_messages=st.integers(0, 2),
)
_offset = st.integers(0, 2**40)
_places = (
    st.just((None, None))
    | st.tuples(st.none(), _offset)
    | st.builds(lambda first, more: (first, first + more), _offset, st.integers(0, 10**6))
)
_states = st.builds(
    TranscriptState,
    facts=facts,
    sequence=st.integers(0, 10**6),
    counts=counts,
    amendments=st.dictionaries(st.integers(1, 10**6), st.integers(1, 9), max_size=3),
    masked=st.integers(0, 9),
    quarantined=st.integers(0, 9),
    unattributed=st.integers(0, 9),
    rejoins=st.integers(0, 9),
    joined=st.booleans(),
    absence=st.none() | st.builds(Absence, longs, nullable_long),
    filled=st.lists(gaps, max_size=2),
    amended=st.integers(0, 9),
    reused=st.integers(0, 9),
    epoch=st.integers(0, 9),
    watch=watches,
)
told_gaps = st.lists(st.tuples(gaps, sequences), max_size=2)
folds = st.builds(
    lambda state, known, told: replace(
        state,
        parties=[one for one, _ in known],
        parties_set_by=[by for _, by in known],
        gaps=[gap for gap, _ in told],
        gap_sequences=[sequence for _, sequence in told],
    ),
    _states,
    known_parties,
    told_gaps,
)
stamps = st.builds(BatchStamp, longs, longs, st.lists(st.tuples(longs, longs), max_size=8).map(tuple))
split_numbers = st.builds(SplitNumber, text, text, text, st.lists(text, max_size=3).map(tuple), longs, nullable_long)
_rising = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=3).map(
    lambda pairs: IdRanges((low, low + more) for low, more in pairs).pairs()
)
held_states = st.none() | st.builds(
    HeldState, st.booleans(), longs, nullable_long, counts, _rising, st.integers(0, 9), st.integers(0, 9)
)
_heads = st.builds(
    CheckpointHead,
    state=st.sampled_from(["FOLLOWED", "GIVEN_UP", "OVER"]),
    sequence=st.integers(0, 10**6),
    epoch=st.integers(0, 9),
    chain_head=st.binary(min_size=32, max_size=32),
    counts=counts,
    absence=st.none() | st.builds(Absence, longs, st.none() | longs),
    observed_at=st.integers(0, 2**55),
    stamp=stamps,
    chains=st.lists(st.builds(OutputChain, text, longs, st.binary(max_size=32), held_states), max_size=3),
    outlined=st.booleans(),
    away=st.none() | st.builds(Unwatched, us, st.none(), st.sampled_from(["RESET", "NOT_TOLD"])),
    numbers=st.dictionaries(text, st.lists(split_numbers, min_size=1, max_size=3).map(tuple), max_size=2),
)
chain_offsets = st.builds(lambda events, sessions: ChainOffsets(*events, *sessions), _places, _places)


@st.composite
def heads_with_offsets(draw: st.DrawFn) -> CheckpointHead:
    """Heads in which the offsets of each chain are known in part, or of none at all."""
    head = draw(_heads)
    offsets = [draw(chain_offsets) for _ in head.all_chains()]
    head.offsets = [] if all(one == NO_OFFSETS for one in offsets) else offsets
    return head


heads = heads_with_offsets()
output_gaps = st.lists(
    st.builds(OutputGap, text, longs, text, st.none() | st.sampled_from([kinds.CHANGED, kinds.ID_REUSED]), gaps),
    max_size=3,
)
