"""The output of the fold: one value per record to be published.

`Entry` is a transcript event or a statement of the bridge itself (a gap, a resumption), with its place in the sequence
of the chat. `Certificate` is what can be vouched for when a chat is closed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.transcript import endings, events
from bridge.transcript.watch import Unwatched, Watch

if TYPE_CHECKING:
    from bridge.transcript.completeness import MissingIds
    from bridge.transcript.events import ChatEvent
    from bridge.transcript.updates import TranscriptUpdate

PARTY_JOINED: Final = "PARTY_JOINED"
MESSAGE: Final = "MESSAGE"
NOTICE: Final = "NOTICE"
PARTY_LEFT: Final = "PARTY_LEFT"
UNKNOWN: Final = "UNKNOWN"
GAP: Final = "GAP"
RESUMED: Final = "RESUMED"

KIND_OF: Final = {
    events.NEW_PARTY: PARTY_JOINED,
    events.MESSAGE: MESSAGE,
    events.NOTICE: NOTICE,
    events.PARTY_LEFT: PARTY_LEFT,
}
"""Type of an event -> kind of its record; UNKNOWN of any other."""

LIVE: Final = "LIVE"
REPLAY: Final = "REPLAY"
ARCHIVE: Final = "ARCHIVE"

COMPLETE: Final = "COMPLETE"
COMPLETE_WITH_EXPECTED_HOLES: Final = "COMPLETE_WITH_EXPECTED_HOLES"
INCOMPLETE: Final = "INCOMPLETE"
VERDICTS: Final[tuple[str, ...]] = (COMPLETE, COMPLETE_WITH_EXPECTED_HOLES, INCOMPLETE)
"""From the highest to the lowest."""

CHANGED: Final = "CHANGED"
"""The same event came again with other content."""
ID_REUSED: Final = "ID_REUSED"
"""Another event came under an id that was used before."""

CHAT_SERVER: Final = "CHAT_SERVER"
"""What was pushed or told by a Chat Server, over its own protocol."""
UCS: Final = "UCS"
"""A transcript as Universal Contact Server stores it."""
WORKSPACE_V3: Final = "WORKSPACE_V3"
GWS_V2: Final = "GWS_V2"
GMS_PUSH: Final = "GMS_PUSH"

SOURCES: Final = (CHAT_SERVER, UCS, WORKSPACE_V3, GWS_V2, GMS_PUSH)
"""Through which door an event came. The last three are reserved: no source delivers them yet."""

MAX_FACT_CHARACTERS: Final = 256
"""Limit for an attribute of the session: it is repeated on every record."""


@dataclass(slots=True, frozen=True)
class Party:
    """A party instance as far as it is known; only `user_id` is certain (a newParty may never have been seen).

    `bot` is True for a marked bot and None otherwise: bots without a mark exist. `time_zone_offset` in minutes.
    """

    user_id: str
    nickname: str | None = None
    user_type: str | None = None
    protocol_type: str | None = None
    person_id: str | None = None
    time_zone_offset: int | None = None
    client_version: int | None = None
    bot: bool | None = None

    @property
    def characters(self) -> int:
        """Length of the texts that a peer determines."""
        texts = (self.user_id, self.nickname, self.user_type, self.protocol_type, self.person_id)
        return sum(len(text) for text in texts if text is not None)


@dataclass(slots=True, frozen=True)
class SessionFacts:
    """What is known of the session itself. `start_at` in ms since 1970 UTC; `server` as host:port.

    `source` is one of SOURCES: the door that the last update came through, so it may change in the course of a chat.
    `subjects` are keyed hashes of what identifies its people (`records/subjects.py`).
    """

    session_id: str
    start_at: int | None = None
    tenant: str | None = None
    monitored: bool | None = None
    idle_time_expire: str | None = None
    server: str | None = None
    client_version: int | None = None
    source: str = CHAT_SERVER
    subjects: tuple[str, ...] = ()

    def after(self, update: TranscriptUpdate) -> SessionFacts:
        """Return the facts after an update, this object if none changed. An absent attribute keeps its value."""
        told = update.transcript
        monitored = self.monitored if told.monitored is None else told.monitored not in (False, "false")
        idle = told.idle_time_expire
        idle = self.idle_time_expire if idle is None else str(idle)[:MAX_FACT_CHARACTERS]
        server = update.server or self.server
        version = self.client_version if update.version is None else update.version
        if (
            monitored == self.monitored
            and idle == self.idle_time_expire
            and server == self.server
            and version == self.client_version
            and update.source == self.source
        ):
            return self
        return replace(
            self,
            monitored=monitored,
            idle_time_expire=idle,
            server=server,
            client_version=version,
            source=update.source,
        )


@dataclass(slots=True, frozen=True)
class OutputPart:
    """What one output does not hold of a chat: number of records by kind, ids of events."""

    counts: dict[str, int] = field(default_factory=dict)
    id_ranges: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class Gap:
    """Events that the bridge did not get: ids from..to (None = not known). `since` in ms since 1970 UTC.

    `code` is one of gap_codes.GAP_CODES; `detail` is a sentence for people, None when the code says all.
    """

    from_event_id: int | None
    to_event_id: int | None
    since: int | None
    code: str
    detail: str | None = None


@dataclass(slots=True)
class Entry:
    """One record to be published. `sequence` counts 1, 2, 3, ... per epoch; `observed_at` in us since 1970 UTC.

    `amendment` is 0 for an event seen for the first time, n for the n-th other content under the same event id;
    `reused` says that this content is another event. `fills` is the sequence of the GAP that said that this event is
    missing. `event` and `party` are None for GAP and RESUMED.
    """

    kind: str
    sequence: int
    origin: str
    observed_at: int
    event: ChatEvent | None = None
    party: Party | None = None
    amendment: int = 0
    gap: Gap | None = None
    reused: bool = False
    fills: int | None = None


class OffsetRange(NamedTuple):
    """Where records of a chat lie on a partition: offset of the first one, and the highest; None: not known."""

    topic: str
    partition: int
    first: int | None
    last: int | None


@dataclass(slots=True)
class Certificate:
    """What the bridge vouches for when it stops following a chat.

    `counts` per kind; `id_ranges` as (low, high) pairs; `gaps` are those that are open, `filled` those that later input
    has filled; `amendments` and `ids_reused` count records marked CHANGED and ID_REUSED. `masked` counts replayed texts
    that differ from the delivered ones by masked characters only; `quarantined` counts what of this chat is in the
    quarantine, `unattributed` unreadable inputs that may have concerned it. `supersedes` is the `last_sequence` of the
    certificate that this one replaces, because more came for a chat that was closed. All of it is about one `epoch`.
    `archived`: the last stored transcript of the chat was folded in, so that ids that are not there were never stored.
    `reasons` are codes, rising; `details` holds a sentence about some of them.

    `ending` is one of endings.ENDINGS; `ended_by` is a userId. `holes` are all ids without a record, by class; None
    when they are not listed. `watch` says how the chat was watched,
    but for the intervals, which are in `unwatched`; `joins` counts rejoins as well. `blind_spots` is what the sources
    can never show. `offsets` are those of one output; `part` is what this one does not hold, None if it holds all.
    """

    verdict: str
    reasons: list[str] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)
    last_sequence: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    id_ranges: list[tuple[int, int]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    filled: list[Gap] = field(default_factory=list)
    amendments: int = 0
    ids_reused: int = 0
    masked: int = 0
    quarantined: int = 0
    unattributed: int = 0
    rejoins: int = 0
    supersedes: int | None = None
    epoch: int = 0
    ending: str = endings.UNKNOWN
    ended_by: str | None = None
    ended_by_type: str | None = None
    holes: list[MissingIds] | None = None
    archived: bool = False
    joins: int = 0
    watch: Watch = field(default_factory=Watch)
    unwatched: list[Unwatched] = field(default_factory=list)
    blind_spots: list[str] = field(default_factory=list)
    offsets: list[OffsetRange] = field(default_factory=list)
    part: OutputPart | None = None

    @property
    def first_event_id(self) -> int | None:
        """The lowest id of which there is a record; None when there is none."""
        return self.id_ranges[0][0] if self.id_ranges else None

    @property
    def last_event_id(self) -> int | None:
        """The highest id of which there is a record; None when there is none."""
        return self.id_ranges[-1][1] if self.id_ranges else None
