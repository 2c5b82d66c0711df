"""The JSON line wire: the vendor's JSON image of PSDK messages, one UTF-8 object per line, ended by LF.

The exact types are tried first; a line that does not fit them is decoded again by `psdk_tolerant`, which lets unknown
attributes pass and loses only what is really unreadable. If an attribute occurs twice, the last one counts.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast, get_args

import msgspec

from bridge.chatserver import psdk_tolerant
from bridge.chatserver.decoded import Decoded, Unreadable
from bridge.chatserver.line_framing import LineFramer, LongLine, OversizedLine
from bridge.chatserver.long_message import LongMessage
from bridge.chatserver.messages import Event, EventSessionInfo, EventStatus, Request, UnknownMessage
from bridge.errors import FrameTooLong, Problem, UnreadableMessage
from bridge.transcript import input_codes
from bridge.transcript.bounds import is_bounded, items_outside, number_outside, outside, xml_characters

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.transcript.events import ChatEvent

INBOUND_LIMIT: Final = 1024 * 1024
"""Longest line read from a server, in bytes, but for a message of many events; longest event of such a one."""

HISTORY_LIMIT: Final = 64 * 1024 * 1024
"""Longest message of many events, in bytes: a join replays the whole transcript."""

OUTBOUND_LIMIT: Final = 32768
"""Longest line sent to a server, in bytes: Chat Server's default for an incoming packet (D17)."""

M = TypeVar("M")


# --- decoding -----------------------------------------------------------------------------------------------

_EVENTS: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)
_REQUESTS: Final[msgspec.json.Decoder[Request]] = msgspec.json.Decoder(Request)
_EVENT_KINDS: Final = {kind.__name__: kind for kind in get_args(Event)}
_REQUEST_KINDS: Final = {kind.__name__: kind for kind in get_args(Request)}


def decode_event(line: bytes) -> Decoded[Event]:
    """Decode a line from a server, without its LF.

    Events in it that cannot be read are in `damaged`, the others in the message.
    Raises UnreadableMessage, the peer's fault.
    """
    exact = _exact_event(line)
    if exact is not None:
        return Decoded(exact, (), len(line))
    message, damaged = psdk_tolerant.read(line, _EVENT_KINDS)
    return Decoded(cast("Event | UnknownMessage", message), damaged, len(line))


def decode_request(line: bytes) -> Decoded[Request]:
    """Decode a line from a client, without its LF. Raises UnreadableMessage, the peer's fault."""
    exact = _exact_request(line)
    if exact is not None:
        return Decoded(exact, (), len(line))
    message, damaged = psdk_tolerant.read(line, _REQUEST_KINDS)
    return Decoded(cast("Request | UnknownMessage", message), damaged, len(line))


def _exact_event(line: bytes) -> Event | None:
    """Decode with the exact types; None if the line needs the tolerant decoding."""
    try:
        message = _EVENTS.decode(line)
    except psdk_tolerant.UNREADABLE:
        return None
    if number_outside(message):
        return None
    events: list[ChatEvent] = []
    if type(message) is EventSessionInfo:
        transcript = message.chat_transcript
        events, idle = transcript.chat_event_list, transcript.idle_time_expire
        if idle is not None and not is_bounded(idle):
            return None
    elif type(message) is EventStatus and message.flex_transcript is not None:
        events = message.flex_transcript.events
    for event in events:
        if outside(event):
            return None
    return message


def _exact_request(line: bytes) -> Request | None:
    try:
        message = _REQUESTS.decode(line)
    except psdk_tolerant.UNREADABLE:
        return None
    items = getattr(message, "user_data", None)
    return None if number_outside(message) or (items and items_outside(items)) else message


_SESSION_ID: Final = re.compile(rb'"sessionId"\s*:\s*"([!#-\[\]-~]{1,128})"')


def session_hint(raw: bytes) -> str | None:
    """Guess which chat an unreadable line was about: the first `"sessionId":"..."` in it, if any."""
    match = _SESSION_ID.search(raw)
    return match[1].decode("ascii") if match else None


# --- encoding -----------------------------------------------------------------------------------------------

_ENCODER: Final = msgspec.json.Encoder()
# How the encoder writes characters that XML lacks: \b, \f, \u00.., and U+FFFE, U+FFFF as they are.
_MAYBE_NOT_XML: Final = re.compile(rb"\\[bfu]|\xef\xbf[\xbe\xbf]")


def encode(message: Request | Event, limit: int | None = None) -> bytes:
    """Return the message as one line with its LF.

    Characters that XML 1.0 does not have become U+FFFD: a gateway passes the message on as XML.
    Raises FrameTooLong, the caller's fault, when the line without its LF is longer than `limit` bytes.
    """
    line = _encoded(message)
    if line is None or _MAYBE_NOT_XML.search(line):
        line = _ENCODER.encode(_in_xml_characters(msgspec.to_builtins(message)))
    if limit is not None and len(line) > limit:
        raise FrameTooLong(f"{type(message).__name__} takes {len(line)} bytes; at most {limit} are sent")
    return line + b"\n"


def _encoded(message: Request | Event) -> bytes | None:
    try:
        return _ENCODER.encode(message)
    except UnicodeEncodeError:  # a lone surrogate
        return None


def _in_xml_characters(value: object) -> object:
    if isinstance(value, str):
        return xml_characters(value)
    if isinstance(value, list):
        return [_in_xml_characters(inner) for inner in value]
    if isinstance(value, dict):
        return {xml_characters(key): _in_xml_characters(inner) for key, inner in value.items()}
    return value


# --- one connection -----------------------------------------------------------------------------------------


class PsdkJsonWire(Generic[M]):
    """Decodes and encodes the lines of one connection; `client_wire` and `server_wire` return the two ends.

    Sans-IO: `feed` what arrives, in chunks of any size; `close` at the end. Neither raises on what the peer sends.
    """

    def __init__(self, decode: Callable[[bytes], Decoded[M]], inbound: int, outbound: int, history: int = 0) -> None:
        """Take the decoder of inbound lines, and the limits of a line in bytes in both directions.

        A message of many events may have `history` bytes, if that is more than `inbound`.
        """
        self._decode = decode
        longer = partial(LongMessage, history, inbound) if history > inbound else None
        self._framer = LineFramer(inbound, longer=longer)
        self._inbound = inbound
        self._history = history
        self._outbound = outbound

    @property
    def buffered(self) -> int:
        """Bytes held of an unfinished line."""
        return self._framer.buffered

    @property
    def arrived(self) -> int:
        """Bytes that have arrived of an unfinished line; 0 once they are twice as many as any message may have."""
        length = self._framer.length
        return length if length <= 2 * max(self._inbound, self._history) else 0

    @property
    def long(self) -> bool:
        """Whether a message longer than a frame is arriving, and is held."""
        return self._framer.long is not None and not self._framer.long.too_long

    def feed(self, data: bytes) -> list[Decoded[M] | Unreadable]:
        """Return what `data` completes, in order."""
        return [
            self._read(line) if isinstance(line, bytes) else self._read_long(line) for line in self._framer.feed(data)
        ]

    def close(self) -> list[Unreadable]:
        """End the stream: report a line that had become too long and never ended."""
        line = self._framer.close()
        if line is None or not (isinstance(line, OversizedLine) or line.too_long):
            return []
        return [self._too_long(line.head, line.length)]

    def encode(self, message: Request | Event) -> bytes:
        """Return the message as one line with its LF. Raises FrameTooLong, the caller's fault."""
        return encode(message, self._outbound)

    def _read(self, line: bytes) -> Decoded[M] | Unreadable:
        try:
            return self._decode(line)
        except UnreadableMessage as error:
            return Unreadable(line, error.problem, len(line), session_hint(line))

    def _read_long(self, line: OversizedLine | LongLine) -> Decoded[M] | Unreadable:
        if not isinstance(line, LongMessage) or line.too_long:
            return self._too_long(line.head, line.length)
        waiting, around = line.waiting(), line.around
        try:
            read = self._decode(around)
        except UnreadableMessage as error:
            return Unreadable(line.head, error.problem, line.length, session_hint(line.head))
        if not isinstance(read.message, EventSessionInfo):
            return self._too_long(line.head, line.length)
        return Decoded(read.message, tuple(line.damaged), line.length, waiting)

    def _too_long(self, head: bytes, length: int) -> Unreadable:
        limit = self._history if length > self._history > self._inbound else self._inbound
        reason = Problem(input_codes.TOO_LONG, f"longer than {limit} bytes")
        return Unreadable(head, reason, length, session_hint(head))


def client_wire(inbound: int = INBOUND_LIMIT, outbound: int = OUTBOUND_LIMIT, history: int = 0) -> PsdkJsonWire[Event]:
    """Return the client's end: reads events, writes requests. Limits in bytes; `history` that of many events."""
    return PsdkJsonWire(decode_event, inbound, outbound, history)


def server_wire(inbound: int = OUTBOUND_LIMIT, outbound: int = INBOUND_LIMIT) -> PsdkJsonWire[Request]:
    """Return the server's end: reads requests, writes events. Limits in bytes."""
    return PsdkJsonWire(decode_request, inbound, outbound)
