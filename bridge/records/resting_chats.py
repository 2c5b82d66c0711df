"""Chats of which nothing is due, as bytes: those that only session records were read of, and those that are over.

A verifier meets every chat of a topic, but few at a time. A chat is packed until its first event comes, and again once
its last certificate was compared with it: some hundred bytes hold all that a later record of it needs.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bridge.records.certificate_checks import RecordedChat
from bridge.records.epoch_checks import VerifiedEpoch
from bridge.records.epoch_claims import Certified
from bridge.records.verified_chat import SessionStatement, VerifiedChat
from bridge.transcript.entries import Gap
from bridge.transcript.ranges import IdRanges

if TYPE_CHECKING:
    from collections.abc import Iterator

_RECORDED: Final = tuple(field.name for field in fields(RecordedChat))
_GAPS: Final = ("rejoined", "_until_joined")
"""Those fields of it that hold some of its gaps."""

_CHECKED: Final = b""
"""In place of a certificate that was compared."""


class _Resting(msgspec.Struct, array_like=True):
    """A VerifiedChat with one epoch, as `at_rest` says. Only numbers, texts and bytes."""

    partition: int | None
    recorded_at: int | None
    begun: int | None
    digests: list[bytes]
    closed: bool
    epoch: int
    head: bytes
    last: int
    ended: int | None
    opening: int | None
    first_opened: int | None
    certified_at: str
    part: bool
    left_out: bool
    recorded: list[Any]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Resting)
_statements = msgspec.msgpack.Decoder(SessionStatement)


def pack(chat: VerifiedChat) -> bytes:
    """Return a chat that is `at_rest` as bytes."""
    (epoch,) = chat.epochs.values()
    return _encoder.encode(
        _Resting(
            chat.partition,
            chat.recorded_at,
            chat.begun,
            chat.digests,
            chat.closed,
            epoch.epoch,
            epoch.head,
            epoch.last,
            epoch.ended,
            epoch.opening,
            epoch.first_opened,
            epoch.certified[-1].where,
            epoch.part,
            epoch.left_out,
            _of_recorded(epoch.recorded),
        )
    )


def unpack(session_id: str, packed: bytes) -> VerifiedChat:
    """Return the chat of which `pack` made these bytes."""
    held = _decoder.decode(packed)
    chat = VerifiedChat(session_id, held.partition, recorded_at=held.recorded_at, begun=held.begun)
    chat.digests, chat.was_opened, chat.closed = held.digests, True, held.closed
    chat.epochs[held.epoch] = VerifiedEpoch(
        session_id,
        chat.escaped_id,
        held.epoch,
        held.head,
        last=held.last,
        recorded=_recorded(held.recorded),
        certified=[Certified(held.certified_at, held.last, _CHECKED, checked=True)],
        opening=held.opening,
        first_opened=held.first_opened,
        ended=held.ended,
        part=held.part,
        left_out=held.left_out,
    )
    return chat


def _of_recorded(chat: RecordedChat) -> list[Any]:
    """Return the fields of what was recorded, in their order: ranges and gaps as lists, gaps elsewhere as sequences."""
    told = [(sequence, gap.from_event_id, gap.to_event_id, gap.since, gap.code) for sequence, gap in chat.told.items()]
    numbers = {id(gap): sequence for sequence, gap in chat.told.items()}
    packed: dict[str, Any] = {
        "ids": chat.ids.pairs(),
        "told": told,
        **{name: [numbers[id(gap)] for gap in getattr(chat, name)] for name in _GAPS},
    }
    return [packed.get(name, getattr(chat, name)) for name in _RECORDED]


def _recorded(packed: list[Any]) -> RecordedChat:
    held = dict(zip(_RECORDED, packed, strict=True))
    told = {sequence: Gap(low, high, since, code) for sequence, low, high, since, code in held["told"]}
    gaps = {name: [told[sequence] for sequence in held[name]] for name in _GAPS}
    ids = IdRanges((low, high) for low, high in held["ids"])
    return RecordedChat(**{**held, **gaps, "ids": ids, "told": told})


class WaitingChats:
    """Chats of which only session records were read: what those say, as bytes, by session id."""

    def __init__(self) -> None:
        self._packed: dict[str, tuple[bytes, ...]] = {}

    def __len__(self) -> int:
        """Count the chats."""
        return len(self._packed)

    def __contains__(self, session_id: object) -> bool:
        """Tell whether a chat is one of them."""
        return session_id in self._packed

    def add(self, session_id: str, said: SessionStatement) -> None:
        """Take what the next session record of a chat says."""
        self._packed[session_id] = (*self._packed.get(session_id, ()), _encoder.encode(said))

    def take(self, session_id: str) -> VerifiedChat | None:
        """Remove a chat; return it with its session records taken. None: it is not one of them."""
        packed = self._packed.pop(session_id, None)
        return None if packed is None else _replayed(session_id, packed)

    def all(self) -> Iterator[VerifiedChat]:
        """Yield each with its session records taken, in the order in which they came."""
        for session_id, packed in self._packed.items():
            yield _replayed(session_id, packed)


def _replayed(session_id: str, packed: tuple[bytes, ...]) -> VerifiedChat:
    first, *others = (_statements.decode(each) for each in packed)
    chat = VerifiedChat(session_id, first.partition)
    chat.take_session(first)
    for said in others:
        chat.stand_on(said.partition, said.where)
        chat.take_session(said)
    return chat
