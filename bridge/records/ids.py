"""The ids of records. No two records have the same one, whatever the session is called.

    E:eventId              an event, as the source numbered it
    E:eventId:n            the n-th other content under that event id (epoch 0)
    E:eventId:epoch.n      the same in a later epoch, which counts from 1 again
    E:~epoch.sequence      a record that the bridge made: GAP, RESUMED
    E:STATE@epoch.at       a SessionRecord; `:lastSequence` follows when its certificate supersedes another

`E` is the session id with `%`, `:`, `~` and `#` percent-encoded, so that it ends at the first `:`, and so that `E#n`
can name parts of what is kept of a chat. Keys of Kafka records and the field sessionId hold the session id as it is.

An event has the same id in every epoch: a chat that is announced anew after its checkpoint was lost brings its events
again, and a consumer that removes duplicates by id keeps one of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bridge.transcript.entries import Entry

DEFAULT_SITE: Final = "main"
"""Ids are unique within a site: `ce_source`, which names the site, and the id together are unique everywhere."""

_LONGEST_NUMBER: Final = 19  # digits of 64 bits
_ESCAPES: Final = str.maketrans({"%": "%25", ":": "%3A", "~": "%7E", "#": "%23"})


def escaped(session_id: str) -> str:
    """Return a session id as it stands in ids of records: the same object, if it has nothing to escape."""
    found = session_id.translate(_ESCAPES)
    return session_id if found == session_id else found


def event_id(session: str, number: int) -> str:
    """Return the id of an event; `session` is an escaped session id, here and below."""
    return f"{session}:{number}"


def amendment_id(session: str, number: int, epoch: int, count: int) -> str:
    """Return the id of the `count`-th other content under the event id `number`."""
    return f"{session}:{number}:{epoch}.{count}" if epoch else f"{session}:{number}:{count}"


def amendment_number(record_id: str) -> int:
    """Return the `count` of an `amendment_id`; 1 when it is no such id."""
    number = record_id.rpartition(":")[2].rpartition(".")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER else 1


def bridge_id(session: str, epoch: int, sequence: int) -> str:
    """Return the id of a record that the bridge made."""
    return f"{session}:~{epoch}.{sequence}"


def session_record_id(session: str, state: str, epoch: int, at: int, *, last_sequence: int | None = None) -> str:
    """Return the id of a SessionRecord; `at` in us since 1970 UTC.

    `last_sequence` is that of a certificate that supersedes another: the two may be of the same moment.
    """
    number = "" if last_sequence is None else f":{last_sequence}"
    return f"{session}:{state}@{epoch}.{at}{number}"


def id_of(entry: Entry, session: str, epoch: int) -> str:
    """Return the id of the record of an entry."""
    event = entry.event
    if event is None:
        return bridge_id(session, epoch, entry.sequence)
    if entry.amendment:
        return amendment_id(session, event.event_id, epoch, entry.amendment)
    return f"{session}:{event.event_id}"
