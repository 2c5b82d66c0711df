"""Encodes the entries of a chat's fold as records of the topics, with their CloudEvents headers.

A `ChatRecorder` belongs to one chat. It holds the head of the chat's hash chain and caches the encodings that repeat:
the session and the parties are on every record, and seldom change.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bridge.errors import UnreadableMessage
from bridge.records.avro import Schemas  # noqa: TC001 - the compiled form looks it up
from bridge.records.binary import EMPTY, NULL, SOME, optional_text, text_map
from bridge.records.blocks import (
    departure_block,
    file_block,
    gap_block,
    message_block,
    notice_block,
    redactions_block,
)
from bridge.records.chain import genesis, link, trailer
from bridge.records.entry_blocks import EntryEncoder
from bridge.records.ids import DEFAULT_SITE, bridge_id, escaped, event_id
from bridge.records.later_texts import NOTHING_LATER
from bridge.records.message_texts import MESSAGE_TEXT, message_text
from bridge.records.party_blocks import PartyBlocks
from bridge.records.redactor import Redactor  # noqa: TC001 - the compiled form looks it up
from bridge.records.sealed_fields import SealedFields
from bridge.records.session_records import ChainPlace, session_record
from bridge.records.subjects import NO_SUBJECTS, Subjects
from bridge.records.typing_previews import is_typing, without_preview
from bridge.transcript import entries as kinds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.records.cloud_events import Headers
    from bridge.records.entry_blocks import EntryBlocks
    from bridge.records.field_texts import FieldTexts
    from bridge.records.redactor import Redaction
    from bridge.records.split_numbers import SplitNumbers
    from bridge.sealing.data_keys import DataKeys
    from bridge.transcript.entries import Certificate, Entry, Party, SessionFacts
    from bridge.transcript.events import ChatEvent
    from bridge.transcript.summary import Summary

EVENT_TYPE_KEY: Final = "eventType"
"""The key in unknownAttributes that holds the word of an unknown event type."""

_NO_ATTRIBUTES: Final = EMPTY + EMPTY
_CHANGED: Final = optional_text(kinds.CHANGED)
_ID_REUSED: Final = optional_text(kinds.ID_REUSED)
_NUMBER: Final = "an event with a number beyond 64 bits"
_TEXT: Final = "an event with a text that is no Unicode"
_VISIBILITIES: Final = {word: optional_text(word) for word in ("ALL", "INT", "VIP")}


@lru_cache(maxsize=64)  # one for each output, which all chats share
def _rule_set_text(rule_set: str | None) -> bytes:
    return optional_text(rule_set)


@dataclass(slots=True, frozen=True)
class Recording:
    """What the chats of one output share. `site` names where this bridge captures, `group` the bridge there.

    `keys` are those with which its texts are sealed; None: it is not sealed. `subjects` recognises the people of chats,
    in all outputs alike.
    """

    schemas: Schemas
    redactor: Redactor
    site: str = DEFAULT_SITE
    group: str = "chatbridge"
    keys: DataKeys | None = None
    subjects: Subjects = NO_SUBJECTS

    @property
    def source(self) -> str:
        """The `ce_source` of all records, a URI reference: together with its id it identifies a record everywhere."""
        return f"/chatbridge/{self.site}/{self.group}"


class ChatRecorder:
    """Makes the records of one chat, in the order in which they are published.

    `key` is the key of its records, which belong to one epoch of its chain. `head` is the hash of the last record made.
    It may be reset to an earlier value if the records made since then will not be published; a restored chat continues
    from the head in its checkpoint. `redacted` says what was done to the last event: rule and number of times.
    `numbers` are those that parties may have begun, as of the last record; they go back and are restored with `head`.
    `later` are messages that are known, and that have no record yet.
    """

    __slots__ = (
        "_encoder",
        "_epoch",
        "_escaped_id",
        "_numbers",
        "_parties",
        "_redactor",
        "_rule_set",
        "_rule_set_text",
        "_rules",
        "_schemas",
        "_sealed",
        "_session_id",
        "_site",
        "_source",
        "head",
        "key",
        "later",
        "numbers",
        "redacted",
    )

    def __init__(self, session_id: str, recording: Recording, head: bytes | None = None, epoch: int = 0) -> None:
        """Start the chain of an epoch, or continue after the record whose hash is `head`."""
        self.head = genesis(session_id, epoch) if head is None else head
        self.redacted: Sequence[tuple[str, int]] = ()
        self.numbers: SplitNumbers = ()
        self.later = NOTHING_LATER
        self._numbers: SplitNumbers = ()  # as of the record that is being made
        self._epoch = epoch
        self._escaped_id = escaped(session_id)
        self._schemas = recording.schemas
        self._rules = recording.redactor
        self._redactor: FieldTexts = self._rules
        self._sealed: SealedFields | None = None
        if recording.keys is not None:
            self._redactor = self._sealed = SealedFields(session_id, recording.redactor, recording.keys)
        self._session_id = session_id
        self._site, self._source = recording.site, recording.source
        self._encoder: EntryEncoder | None = None
        self.key = session_id.encode()
        self._parties: PartyBlocks | None = None
        self._take_rules()

    def begin(self) -> None:
        """Give the chat a key if the output is sealed, before there is anything to seal."""
        if self._sealed is not None:
            self._sealed.begin()

    def forget_encoded(self) -> None:
        """Encode again, when it is needed next, what records have like the ones before: it takes memory."""
        self._encoder = self._parties = None

    def _entries(self) -> EntryEncoder:
        encoder = self._encoder
        if encoder is None:
            encoder = self._encoder = EntryEncoder(self._session_id, self._site, self._source, self._epoch)
        return encoder

    # --- TranscriptEvent -----------------------------------------------------------------------------------------

    def blocks(self, entry: Entry, facts: SessionFacts) -> EntryBlocks:
        """Return what the record of an entry has like those in other outputs.

        Raises UnreadableMessage for a number beyond 64 bits or a text that is not Unicode.
        """
        try:
            return self._entries().blocks(entry, facts)
        except OverflowError:
            raise UnreadableMessage(_NUMBER) from None
        except UnicodeEncodeError:
            raise UnreadableMessage(_TEXT) from None

    def event_record(
        self, entry: Entry, facts: SessionFacts, blocks: EntryBlocks | None = None, header: bytes = b""
    ) -> bytes:
        """Return the Avro payload of one TranscriptEvent behind a payload header, if there is one; advance `head`.

        `blocks` is what any output's recorder of this chat says of the entry. Raises UnreadableMessage for a number
        beyond 64 bits or a text that is not Unicode, and AttributesTooDeep; `head` and `numbers` are unchanged then.
        """
        blocks = blocks or self.blocks(entry, facts)
        try:
            body = self._body(entry, blocks)
        except OverflowError:
            raise UnreadableMessage(_NUMBER) from None
        except UnicodeEncodeError:
            raise UnreadableMessage(_TEXT) from None
        previous = self.head
        self.head = link(previous, body)
        self.numbers = self._numbers
        return header + body + trailer(previous, self.head)

    def _body(self, entry: Entry, blocks: EntryBlocks) -> bytes:
        """Encode all fields before `integrity`, in the order of the schema."""
        if self._rules.rule_set != self._rule_set:
            self._take_rules()
        if self._sealed is not None:
            self._sealed.sequence = entry.sequence
        done: list[Redaction] = []
        event, self._numbers = entry.event, self.numbers
        if event is None:
            gap = NULL if entry.gap is None else SOME + gap_block(entry.gap)
            # Of the fields from visibility to unknownAttributes, GAP and RESUMED have party and gap only.
            content: tuple[bytes, ...] = (
                NULL + NULL,
                self._party(entry.party, done),
                NULL + NULL + NULL + NULL + gap + NULL + NULL + NULL,
                _NO_ATTRIBUTES + _NO_ATTRIBUTES + EMPTY,
            )
        else:
            content = self._content(entry, event, blocks.record_id, done)
        self.redacted = [(one.rule, one.times) for one in done] if done else ()
        return b"".join(
            (
                blocks.begin,
                *content,
                blocks.end,
                redactions_block(done) if done else EMPTY,
                self._rule_set_text,
            )
        )

    def _take_rules(self) -> None:
        """Make the next records under the rules as they are: pseudonyms may have another key now."""
        self._rule_set = self._rules.rule_set
        self._rule_set_text = _rule_set_text(self._rule_set)
        self._parties = None

    def _party(self, party: Party | None, done: list[Redaction]) -> bytes:
        if self._parties is None:
            self._parties = PartyBlocks(self._redactor)
        return self._parties.block(party, done)

    def _content(self, entry: Entry, event: ChatEvent, own_id: str, done: list[Redaction]) -> tuple[bytes, ...]:
        """Encode the fields from visibility to unknownAttributes of an event."""
        redactor = self._redactor
        user_data: dict[str, str] = {}
        file_size: str | None = None
        attributes: dict[str, str] = {}
        user_data_maps = attribute_maps = _NO_ATTRIBUTES
        party = self._party(entry.party, done)
        if not self._rules.typing_previews and is_typing(event):
            event = without_preview(event, done)
        if event.user_data:
            user_data, types = redactor.items("userData", event.user_data, done)
            file_size = user_data.get("file-size")
            user_data = self._recorded("userData", user_data)
            user_data_maps = text_map(user_data) + text_map(types)
        if event.event_attributes:
            attributes, types = redactor.items("eventAttributes", event.event_attributes, done)
            attribute_maps = text_map(self._recorded("eventAttributes", attributes)) + text_map(types)
        visibility = _VISIBILITIES.get(event.visibility)
        if visibility is None:
            visibility = optional_text(redactor.text("visibility", event.visibility, done))
        message = file = notice = NULL
        if event.message_text is not None:
            said_again = bool(entry.amendment) and not entry.reused
            words, self._numbers = message_text(
                event, own_id, self._rules, self.numbers, done, again=said_again, later=self.later
            )
            if self._sealed is not None:
                words = self._sealed.sealed(MESSAGE_TEXT, words)
            message = SOME + message_block(event.message_text, words, redactor, done)
        if event.notice_text is not None:
            said = redactor.text("notice.text", event.notice_text.text, done)
            notice = SOME + notice_block(event.notice_text, said, redactor, done)
            block = file_block(event, said, user_data, file_size)
            file = NULL if block is None else SOME + block
        leaves = event.reason is not None or event.asker_id is not None or entry.kind == kinds.PARTY_LEFT
        return (
            visibility,
            optional_text(event.receiver_id),
            party,
            message,
            notice,
            file,
            SOME + departure_block(event, attributes, redactor, done) if leaves else NULL,
            NULL if entry.gap is None else SOME + gap_block(entry.gap),
            NULL if entry.fills is None else self._filled(entry.fills),
            self._amendment(entry, event) if entry.amendment else NULL + NULL,
            user_data_maps,
            attribute_maps,
            self._unknown(entry, event, done) if event.unknown_attributes or entry.kind == kinds.UNKNOWN else EMPTY,
        )

    def _recorded(self, where: str, values: dict[str, str]) -> dict[str, str]:
        """Return redacted values as they stand in the record."""
        return values if self._sealed is None else self._sealed.values(where, values)

    def _filled(self, sequence: int) -> bytes:
        return optional_text(bridge_id(self._escaped_id, self._epoch, sequence))

    def _amendment(self, entry: Entry, event: ChatEvent) -> bytes:
        if entry.reused:
            return NULL + _ID_REUSED
        return optional_text(event_id(self._escaped_id, event.event_id)) + _CHANGED

    def _unknown(self, entry: Entry, event: ChatEvent, done: list[Redaction]) -> bytes:
        values = event.unknown_attributes
        if values:
            values = self._redactor.unknown(values, done)
        if entry.kind == kinds.UNKNOWN:
            word = self._redactor.text(f"unknownAttributes.{EVENT_TYPE_KEY}", event.event_type, done)
            values = {**values, EVENT_TYPE_KEY: word}
        return text_map(values)

    # --- the other topics ----------------------------------------------------------------------------------------

    def session_record(  # noqa: PLR0913 - the fields of the record
        self,
        state: str,
        facts: SessionFacts,
        at: int,
        certificate: Certificate | None = None,
        *,
        summary: Summary | str | None = None,
        part: str | None = None,
        room: int | None = None,
    ) -> bytes:
        """Return the Avro payload of a SessionRecord: OPENED, or CLOSED with its certificate. `at` in us since 1970.

        `summary` is that of a chat that is closed, or the code that says why there is none; `part` which records
        the output takes, None if it takes all.

        The certificate covers the records made so far: it carries `head`. It lists ids and gaps if the payload then
        fits into `room` bytes.
        """
        place = ChainPlace(self._site, self._epoch, self.head, self._rules.rule_set)
        return session_record(
            self._schemas, state, facts, at, certificate=certificate, place=place, summary=summary, part=part, room=room
        )

    def session_headers(self, state: str, at: int, certificate: Certificate | None = None) -> Headers:
        """Return the CloudEvents headers of a SessionRecord."""
        return self._entries().events.of_session(state, at, certificate)
