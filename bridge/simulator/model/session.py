"""One chat session: its parties, its events with their ids, and who is sent which event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from bridge.chatserver.messages import ALIVE, EventSessionInfo
from bridge.chatserver.versions import withhold, withhold_from_transcript
from bridge.simulator.model.effects import Push
from bridge.simulator.model.refusals import no_such_user
from bridge.simulator.model.session_parties import PartySpec, SessionParty, can_see, party_attributes
from bridge.transcript.events import (
    MESSAGE,
    NEW_PARTY,
    NOTICE,
    PARTY_LEFT,
    TYPING_STARTED,
    TYPING_STOPPED,
    USER_UPDATE_NICK,
    VIP,
    ChatEvent,
    ChatTranscript,
    Item,
    Items,
    MessageText,
    NoticeText,
    Reason,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.simulator.model.departures import Departure
    from bridge.simulator.model.idle import IdleControl

_TYPING = frozenset({TYPING_STARTED, TYPING_STOPPED})


def iso_utc(seconds: int) -> str:
    """Return `yyyy-MM-ddTHH:mm:ssZ` for seconds since 1970 UTC, the form of `startAt`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class ChatSession:
    """State of one chat. Methods that add an event return it; `Sessions` turns events into effects.

    `now` is in seconds since 1970 UTC everywhere.
    """

    def __init__(
        self, session_id: str, start: int, *, password: str | None = None, asynchronous: bool = False, tenant: str = ""
    ) -> None:
        """Create a session without parties; `start` is a whole second, because `startAt` has no fraction."""
        self.session_id = session_id
        self.start = start
        self.start_at = iso_utc(start)
        self.password = password
        self.asynchronous = asynchronous
        self.tenant = tenant
        self.next_id = 1
        self.next_file = 1
        self.events: list[ChatEvent] = []
        self.parties: dict[str, SessionParty] = {}
        self.idle: IdleControl | None = None

    # --- parties ----------------------------------------------------------------------------------------------------

    def party(self, user_id: str) -> SessionParty:
        """Return the party, or raise RequestRefused(8201)."""
        found = self.parties.get(user_id)
        if found is None:
            raise no_such_user()
        return found

    @property
    def is_kept_open(self) -> bool:
        """Whether a party is present that keeps the session open (see `SessionParty.keeps_session_open`)."""
        return any(party.keeps_session_open for party in self.parties.values())

    @property
    def has_agents(self) -> bool:
        """Whether an agent (or a supervisor who is not a silent monitor) is in the session."""
        return any(party.is_agent for party in self.parties.values())

    @property
    def monitored(self) -> bool:
        """Whether a silent monitor is in the session."""
        return any(party.visibility == VIP and party.info.user_type == "SUPERVISOR" for party in self.parties.values())

    def connected_parties(self) -> list[SessionParty]:
        """Return the parties that get pushes. To notify a party of its own removal, call this before removing it."""
        return [party for party in self.parties.values() if party.connection is not None]

    # --- events -----------------------------------------------------------------------------------------------------

    def time_shift(self, now: float) -> int:
        """Return the whole seconds since the session's start, never negative."""
        return max(0, int(now) - self.start)

    def allocate_id(self) -> int:
        """Return the next event id. If no event uses it, the ids have a hole, as real transcripts do (3.3)."""
        taken = self.next_id
        self.next_id += 1
        return taken

    def add_party(self, spec: PartySpec, user_id: str, connection: int | None, now: float) -> ChatEvent:
        """Add a party and its newParty event."""
        party = SessionParty(user_id, spec.info, spec.visibility, connection)
        self.parties[user_id] = party
        event = ChatEvent(
            NEW_PARTY,
            self.allocate_id(),
            user_id,
            self.time_shift(now),
            spec.visibility,
            user_info=spec.info,
            user_data=spec.user_data,
            message_text=spec.greeting,
            event_attributes=party_attributes(spec.user_data),
        )
        return self._append(event, party, now)

    def add_message(
        self, party: SessionParty, text: MessageText, visibility: str, receiver_id: str | None, now: float
    ) -> ChatEvent:
        """Add a message event."""
        event = ChatEvent(
            MESSAGE,
            self.allocate_id(),
            party.user_id,
            self.time_shift(now),
            visibility,
            receiver_id=receiver_id,
            message_text=text,
        )
        return self._append(event, party, now)

    def add_notice(  # noqa: PLR0913 - the fields of a notice
        self,
        party: SessionParty,
        notice: NoticeText,
        visibility: str,
        now: float,
        *,
        user_data: Items | None = None,
        message_text: MessageText | None = None,
        receiver_id: str | None = None,
    ) -> ChatEvent:
        """Add a notice event."""
        event = ChatEvent(
            NOTICE,
            self.allocate_id(),
            party.user_id,
            self.time_shift(now),
            visibility,
            receiver_id=receiver_id,
            notice_text=notice,
            message_text=message_text,
            user_data=user_data or [],
        )
        return self._append(event, party, now)

    def remove_party(
        self, party: SessionParty, departure: Departure, asker_id: str, now: float, text: MessageText | None = None
    ) -> ChatEvent:
        """Remove a party and add its partyLeft event; `asker_id` is the user who asked for it."""
        del self.parties[party.user_id]
        event = ChatEvent(
            PARTY_LEFT,
            self.allocate_id(),
            party.user_id,
            self.time_shift(now),
            party.visibility,
            asker_id=asker_id,
            reason=Reason(departure.code, departure.text),
            message_text=text,
            event_attributes=departure.attributes(party.info.user_type),
        )
        return self._append(event, party, now)

    def add_recorded(self, event: ChatEvent, now: float) -> ChatEvent:
        """Add an event of a stored transcript unchanged, event id included."""
        self.next_id = max(self.next_id, event.event_id + 1)
        if event.event_type == NEW_PARTY and event.user_info is not None:
            self.parties[event.user_id] = SessionParty(event.user_id, event.user_info, event.visibility)
        party = self.parties.get(event.user_id)
        if event.event_type == PARTY_LEFT:
            self.parties.pop(event.user_id, None)
        return self._append(event, party, now)

    def _append(self, event: ChatEvent, party: SessionParty | None, now: float) -> ChatEvent:
        self.events.append(event)
        if self.idle is not None:
            self.idle.on_event(event, party, now)
        return event

    # --- delivery ---------------------------------------------------------------------------------------------------

    def history_for(self, party: SessionParty, now: float, *, typing: bool) -> ChatTranscript:
        """Return the transcript so far as `party` may see it; `typing`: whether typing notices are replayed."""
        shown = [
            event
            for event in self.events
            if can_see(party.info.user_type, party.user_id, event)
            and (typing or event.notice_text is None or event.notice_text.notice_type not in _TYPING)
        ]
        return self._transcript(shown, party.version, now)

    def push_to(
        self,
        party: SessionParty,
        events: Iterable[ChatEvent],
        now: float,
        *,
        status: str = ALIVE,
        reference_id: int | None = None,
    ) -> Push | None:
        """Return the push that gives `party` the `events` it may see; None when there is nothing to send."""
        if party.connection is None:
            return None
        user_type, user_id, version = party.info.user_type, party.user_id, party.version
        shown = [event for event in events if can_see(user_type, user_id, event)]
        if not shown and status == ALIVE and reference_id is None:
            return None
        transcript = self._transcript(shown, version, now)
        if not transcript.chat_event_list and status == ALIVE and reference_id is None:
            return None  # its ClientVersion knows none of them
        return Push(party.connection, EventSessionInfo(transcript, status, reference_id))

    def events_for_flex(self, party: SessionParty, position: int) -> list[ChatEvent]:
        """Return the events after event id `position` that a flex client may see."""
        return [
            shown
            for event in self._after(position)
            if can_see(party.info.user_type, party.user_id, event)
            and (shown := withhold(event, party.version)) is not None
        ]

    def _after(self, position: int) -> list[ChatEvent]:
        at = len(self.events)
        while at and self.events[at - 1].event_id > position:
            at -= 1
        return self.events[at:]

    def _transcript(self, events: list[ChatEvent], version: int, now: float) -> ChatTranscript:
        transcript = ChatTranscript(
            self.session_id,
            self.start_at,
            idle_time_expire=None if self.idle is None else self.idle.remaining(now),
            monitored=self.monitored or None,
            chat_event_list=events,
        )
        return withhold_from_transcript(transcript, version)


def apply_nickname_update(party: SessionParty, notice: NoticeText) -> None:
    """Change the party's nickname if the notice is USER_UPDATE_NICK (since ClientVersion 102)."""
    if notice.notice_type == USER_UPDATE_NICK and notice.text:
        party.info = msgspec.structs.replace(party.info, user_nickname=notice.text)


def with_file_id(session: ChatSession, user_data: Items) -> Items:
    """Return the user data of a file-uploaded notice with the file id that the server adds (4.9)."""
    file_id = f"{session.next_file:016X}"
    session.next_file += 1
    return [*user_data, Item("file-id", value=file_id)]
