"""The ways to tamper with topics, each at the head, in the middle and at the tail of what it is done to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.chain import genesis, link, split, trailer
from tests.tampering.topic_copies import (
    EVENTS,
    MINUTE,
    PARTITIONS,
    SCHEMAS,
    SESSIONS,
    CopiedRecord,
    TopicCopies,
    WrittenChat,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Tamper = Callable[[TopicCopies, int], None]

POSITIONS: Final = ("head", "middle", "tail")
P: Final = 1
"""The partition that is tampered with, where it is one."""

CLOSED_CHAT, CLOSED_TWICE, LAST_CLOSED, OPEN_CHAT = range(4)


def _decoded(record: CopiedRecord) -> dict[str, Any]:
    return SCHEMAS.decode(TRANSCRIPT_EVENT if record.topic == EVENTS else SESSION_RECORD, record.payload)


def _with(record: CopiedRecord, **changes: Any) -> CopiedRecord:
    name = TRANSCRIPT_EVENT if record.topic == EVENTS else SESSION_RECORD
    return record.with_payload(SCHEMAS.encode(name, _decoded(record) | changes))


def _places(copies: TopicCopies, topic: str, chat: str) -> list[int]:
    return [at for at, record in enumerate(copies.log(topic, P)) if record.key == chat.encode()]


def _at(places: list[int], position: int) -> int:
    return places[(0, len(places) // 2, -1)[position]]


def third(length: int, position: int) -> slice:
    """The first, second or last third of a list."""
    return slice(length * position // 3, length * (position + 1) // 3)


def _chained(records: list[CopiedRecord], head: bytes) -> list[CopiedRecord]:
    """The records with previousHash and hash made to fit, from `head` on."""
    found = []
    for record in records:
        body, _, _ = split(record.payload)
        own = link(head, body)
        found.append(record.with_payload(body + trailer(head, own)))
        head = own
    return found


# --- a record of events ----------------------------------------------------------------------------------------------


class EventRecord:
    """A record of a chat: the first, one in the middle, the last."""

    def __init__(self, chat: int) -> None:
        self._chat = chat

    def _place(self, copies: TopicCopies, position: int) -> tuple[list[CopiedRecord], int]:
        return copies.log(EVENTS, P), _at(_places(copies, EVENTS, copies.chats(P)[self._chat]), position)

    def changed(self, copies: TopicCopies, position: int) -> None:
        """Another visibility under the hash of before."""
        log, at = self._place(copies, position)
        log[at] = _with(log[at], visibility="VIP")

    def removed(self, copies: TopicCopies, position: int) -> None:
        log, at = self._place(copies, position)
        del log[at]

    def inserted(self, copies: TopicCopies, position: int) -> None:
        """A message before or after it that continues the chain up to there."""
        log, at = self._place(copies, position)
        before = log[at] if position else None
        told = _decoded(log[at])
        sequence = told["sequence"] + 1 if before else 1
        number = 1000 + sequence
        forged = _with(log[at], id=f"{told['sessionId']}:{number}", eventId=number, sequence=sequence, kind="MESSAGE")
        head = split(before.payload)[2] if before else genesis(told["sessionId"])
        names = {"ce_id": f"{told['sessionId']}:{number}".encode(), "ce_type": f"{TRANSCRIPT_EVENT}.MESSAGE".encode()}
        headers = tuple((name, names.get(name, value)) for name, value in forged.headers)
        log.insert(at + bool(before), replace(_chained([forged], head)[0], headers=headers))

    def swapped(self, copies: TopicCopies, position: int) -> None:
        """With the next one, the last with the one before."""
        log, at = self._place(copies, position)
        other = at - 1 if position == len(POSITIONS) - 1 else at + 1
        log[at], log[other] = log[other], log[at]

    def replayed(self, copies: TopicCopies, position: int) -> None:
        log, at = self._place(copies, position)
        log.append(log[at])


# --- a session record ------------------------------------------------------------------------------------------------


class SessionEntry:
    """Of a chat that was closed twice: the record that it was opened, the first certificate, the last one."""

    def __init__(self, chat: int = CLOSED_TWICE) -> None:
        self._chat = chat

    def _place(self, copies: TopicCopies, position: int) -> tuple[list[CopiedRecord], int]:
        return copies.log(SESSIONS, P), _at(_places(copies, SESSIONS, copies.chats(P)[self._chat]), position)

    def changed(self, copies: TopicCopies, position: int) -> None:
        """Another verdict; another tenant where there is none."""
        log, at = self._place(copies, position)
        certificate = _decoded(log[at])["certificate"]
        if certificate is None:
            log[at] = _with(log[at], tenant="another")
        else:
            log[at] = _with(log[at], certificate=certificate | {"verdict": "INCOMPLETE"})

    def removed(self, copies: TopicCopies, position: int) -> None:
        log, at = self._place(copies, position)
        del log[at]

    def inserted(self, copies: TopicCopies, position: int) -> None:
        """Like it, but a minute later: with all headers made to fit."""
        log, at = self._place(copies, position)
        told = _decoded(log[at])
        later, certificate = told["at"] + MINUTE, told["certificate"]
        changes: dict[str, Any] = {"at": later}
        if certificate is not None:
            changes["certificate"] = certificate | {"supersedes": certificate["lastSequence"]}
        forged = _with(log[at], **changes)
        log.insert(at + 1, _with_headers_of_session(forged))

    def swapped(self, copies: TopicCopies, position: int) -> None:
        places = _places(copies, SESSIONS, copies.chats(P)[self._chat])
        log, at = self._place(copies, position)
        after = [place for place in places if place > at]
        other = after[0] if after else places[places.index(at) - 1]
        log[at], log[other] = log[other], log[at]

    def replayed(self, copies: TopicCopies, position: int) -> None:
        log, at = self._place(copies, position)
        log.append(log[at])


def _with_headers_of_session(record: CopiedRecord) -> CopiedRecord:
    told = _decoded(record)
    chat = WrittenChat(TopicCopies(), told["sessionId"])
    headers = chat.session_headers(told)
    return replace(record, headers=headers)


# --- a chat ----------------------------------------------------------------------------------------------------------


class WholeChat:
    """A closed chat of a partition, with its records on both topics: the first, the second, the third."""

    def changed(self, copies: TopicCopies, position: int) -> None:
        """All its records, and their chain, but not its certificates."""
        _rewrite(copies.log(EVENTS, P), copies.chats(P)[position])

    def removed(self, copies: TopicCopies, position: int) -> None:
        chat = copies.chats(P)[position].encode()
        for topic in (EVENTS, SESSIONS):
            log = copies.log(topic, P)
            log[:] = [record for record in log if record.key != chat]

    def inserted(self, copies: TopicCopies, position: int) -> None:
        """One that never was, with chain, certificate and headers as they have to be."""
        made = TopicCopies()
        number = 0
        while not made.log(EVENTS, P):
            number += 1
            made = TopicCopies()
            written(WrittenChat(made, f"0000FAKE{number:08}"))
        for topic in (EVENTS, SESSIONS):
            log = copies.log(topic, P)
            at = (0, len(log) // 2, len(log))[position]
            log[at:at] = made.log(topic, P)

    def swapped(self, copies: TopicCopies, position: int) -> None:
        """It and another one change places."""
        one, other = copies.chats(P)[position], copies.chats(P)[(position + 1) % 3]
        for topic in (EVENTS, SESSIONS):
            log = copies.log(topic, P)
            first, second = (_places(copies, topic, chat) for chat in (one, other))
            firsts, seconds = [log[at] for at in first], [log[at] for at in second]
            rest = [record for record in log if record.key not in (one.encode(), other.encode())]
            earlier, later = (firsts, seconds) if first[0] > second[0] else (seconds, firsts)
            log[:] = [*earlier, *later, *rest]

    def replayed(self, copies: TopicCopies, position: int) -> None:
        """Once more at the end of both topics."""
        chat = copies.chats(P)[position]
        for topic in (EVENTS, SESSIONS):
            log = copies.log(topic, P)
            log += [log[at] for at in _places(copies, topic, chat)]


def _rewrite(log: list[CopiedRecord], chat: str) -> None:
    places = [at for at, record in enumerate(log) if record.key == chat.encode()]
    changed = [_with(log[at], visibility="VIP") for at in places]
    for at, record in zip(places, _chained(changed, genesis(chat)), strict=True):
        log[at] = record


# --- a partition -----------------------------------------------------------------------------------------------------


class WholePartition:
    """A partition of the given topics: the first, one in the middle, the last."""

    def __init__(self, *topics: str) -> None:
        self._topics = topics

    def changed(self, copies: TopicCopies, position: int) -> None:
        """All records of events and their chains."""
        for chat in copies.chats(position):
            _rewrite(copies.log(EVENTS, position), chat)

    def removed(self, copies: TopicCopies, position: int) -> None:
        """Emptied."""
        for topic in self._topics:
            copies.log(topic, position).clear()

    def inserted(self, copies: TopicCopies, position: int) -> None:
        """One more, with chats that never were; those after it count on."""
        made = TopicCopies()
        written(WrittenChat(made, "0000FAKE00000001", partition=position))
        for topic in self._topics:
            logs = [copies.logs.pop((topic, each)) for each in range(PARTITIONS)]
            logs.insert(position, made.log(topic, position))
            for partition, log in enumerate(logs):
                copies.logs[topic, partition] = [replace(record, partition=partition) for record in log]

    def swapped(self, copies: TopicCopies, position: int) -> None:
        """With the next one."""
        other = (position + 1) % PARTITIONS
        for topic in self._topics:
            one, two = copies.log(topic, position), copies.log(topic, other)
            copies.logs[topic, position] = [replace(record, partition=position) for record in two]
            copies.logs[topic, other] = [replace(record, partition=other) for record in one]

    def replayed(self, copies: TopicCopies, position: int) -> None:
        """All its records once more."""
        for topic in self._topics:
            log = copies.log(topic, position)
            log += list(log)


# --- a topic ---------------------------------------------------------------------------------------------------------


class WholeTopic:
    """The first, second or last third of each partition of a topic."""

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def changed(self, copies: TopicCopies, position: int) -> None:
        for partition in range(PARTITIONS):
            log = copies.log(self._topic, partition)
            part = third(len(log), position)
            log[part] = [self._altered(record) for record in log[part]]

    def _altered(self, record: CopiedRecord) -> CopiedRecord:
        if record.topic == EVENTS:
            return _with(record, visibility="VIP")
        certificate = _decoded(record)["certificate"]
        return record if certificate is None else _with(record, certificate=certificate | {"rejoins": 7})

    def removed(self, copies: TopicCopies, position: int) -> None:
        for partition in range(PARTITIONS):
            log = copies.log(self._topic, partition)
            del log[third(len(log), position)]

    def inserted(self, copies: TopicCopies, position: int) -> None:
        """The records of the other topic."""
        other = SESSIONS if self._topic == EVENTS else EVENTS
        for partition in range(PARTITIONS):
            log, source = copies.log(self._topic, partition), copies.log(other, partition)
            at = (0, len(log) // 2, len(log))[position]
            log[at:at] = [replace(record, topic=self._topic) for record in source]

    def swapped(self, copies: TopicCopies, position: int) -> None:
        """With the same third of the other topic."""
        for partition in range(PARTITIONS):
            one, two = copies.log(EVENTS, partition), copies.log(SESSIONS, partition)
            first, second = third(len(one), position), third(len(two), position)
            one[first], two[second] = (
                [replace(record, topic=EVENTS) for record in two[second]],
                [replace(record, topic=SESSIONS) for record in one[first]],
            )

    def replayed(self, copies: TopicCopies, position: int) -> None:
        for partition in range(PARTITIONS):
            log = copies.log(self._topic, partition)
            log += log[third(len(log), position)]


class Unit(Protocol):
    """What is tampered with: each operation changes the copies, in one third of what there is of the unit."""

    def changed(self, copies: TopicCopies, position: int) -> None: ...
    def removed(self, copies: TopicCopies, position: int) -> None: ...
    def inserted(self, copies: TopicCopies, position: int) -> None: ...
    def swapped(self, copies: TopicCopies, position: int) -> None: ...
    def replayed(self, copies: TopicCopies, position: int) -> None: ...


UNITS: Final[dict[str, Unit]] = {
    "record of a closed chat": EventRecord(LAST_CLOSED),
    "record of an open chat": EventRecord(OPEN_CHAT),
    "session record (of a chat that was closed twice)": SessionEntry(),
    "session record (of a chat that was closed once)": SessionEntry(CLOSED_CHAT),
    "chat": WholeChat(),
    "partition of the events topic": WholePartition(EVENTS),
    "partition of both topics": WholePartition(EVENTS, SESSIONS),
    "events topic": WholeTopic(EVENTS),
    "sessions topic": WholeTopic(SESSIONS),
}
OPERATIONS: Final = ("changed", "removed", "inserted", "swapped", "replayed")


def tamper(copies: TopicCopies, unit: Unit, operation: str, position: str) -> TopicCopies:
    """Return copies that were tampered with so."""
    changed = copies.copy()
    getattr(unit, operation)(changed, POSITIONS.index(position))
    return changed
