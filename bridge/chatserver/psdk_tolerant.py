"""Tolerant decoding of the JSON line wire, for lines that the exact types do not fit.

What is not known passes: attributes of an event that have no field are kept as `unknown_attributes` (JSON text for
structures), a message of an unknown name becomes an `UnknownMessage`, and so does an EventSessionInfo that names no
chat and holds no event. A null counts as absent. An unreadable event
costs that event only. Dropped on purpose, because no type has a place for them: unknown attributes of a message, of its
transcript, and of an item of a collection; and a number beyond 64 bits in an attribute of the message itself, such as
`referenceId`: no such number answers anything of ours, and what else the message holds is not lost with it.

Unknown shapes of an item's value (a boolean, an object, a list of plain values) become their JSON
text. So does a number beyond 64 bits, of an item or of an attribute without a published type: its digits are kept as
they came, and its type word stays. Where a number is required (`eventId`, `timeShift`), such a one is unreadable.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from bridge.chatserver.messages import EventSessionInfo, EventStatus, FlexTranscript, UnknownMessage
from bridge.errors import UnreadableMessage
from bridge.transcript import input_codes
from bridge.transcript.bounds import EVENT_IDS, is_bounded, outside
from bridge.transcript.events import ChatEvent, ChatTranscript
from bridge.transcript.fields import collections_by_name, parts_by_name
from bridge.transcript.updates import Damaged

if TYPE_CHECKING:
    from collections.abc import Mapping

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on bytes that do not fit the expected type."""

_PARTS: Final = parts_by_name()
_COLLECTIONS: Final = collections_by_name()
# Attributes without a published type (protocol facts 3.1), a word that may be any, and the description of an error, an
# object with a text in the SDK (1.5), which decides nothing: all else is kept as JSON text.
_UNTYPED: Final[dict[str, tuple[type, ...]]] = {
    "idleTimeExpire": (str, int),
    "monitored": (str, bool),
    "userStatus": (str, int),
    "sessionStatus": (str,),
    "startAt": (str,),
    "description": (str,),
}


@dataclass(slots=True, frozen=True)
class _Carried:
    """Where a message carries events: the transcript attribute, its type, the list in it (JSON and field names)."""

    transcript: str
    kind: type[msgspec.Struct]
    events: str
    transcript_field: str
    events_field: str


_CARRIED: Final[dict[type, _Carried]] = {
    EventSessionInfo: _Carried("chatTranscript", ChatTranscript, "chatEventList", "chat_transcript", "chat_event_list"),
    EventStatus: _Carried("flexTranscript", FlexTranscript, "events", "flex_transcript", "events"),
}

_Raws = dict[str, msgspec.Raw]
_UNNAMED: Final = "an unknown attribute"
_ERROR: Final = re.compile(r"(.*?)(?: - at `(\$.*)`)?", re.DOTALL)
# A surrogate pair, a lone surrogate (group 1), or any other escape: in JSON a backslash always starts one.
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_EVENT_ID: Final = re.compile(rb"[0-9]{1,19}")


def explain(error: Exception, at: str = "") -> str:
    """Describe the place and the problem, e.g. `chatTranscript.startAt: expected str, got int`.

    Never quotes a value. `at` is the path of the part that was being decoded.
    """
    if isinstance(error, UnicodeDecodeError):
        what, path = f"not UTF-8: {error.reason}", ""
    elif isinstance(error, RecursionError):
        what, path = "nested too deeply", ""
    else:
        match = cast("re.Match[str]", _ERROR.fullmatch(str(error)))
        what, path = match[1].replace("`", ""), (match[2] or "")[1:]
        if not what.startswith("JSON"):
            what = what[:1].lower() + what[1:]
    where = (at + path).removeprefix(".")
    return f"{where}: {what}" if where else what


def _code_of(error: Exception) -> str:
    """Return which of the ways not to be a message this is."""
    if isinstance(error, UnicodeDecodeError):
        return input_codes.NOT_UTF8
    if isinstance(error, RecursionError):
        return input_codes.TOO_DEEP
    return input_codes.UNREADABLE_MESSAGE if isinstance(error, msgspec.ValidationError) else input_codes.NOT_JSON


def _unreadable(error: Exception, at: str = "") -> UnreadableMessage:
    return UnreadableMessage(explain(error, at), code=_code_of(error))


def read(
    line: bytes, kinds: Mapping[str, type[msgspec.Struct]]
) -> tuple[msgspec.Struct | UnknownMessage, tuple[Damaged, ...]]:
    """Return the message (one of `kinds`, or UnknownMessage) and what of its events could not be read.

    A lone surrogate escape (a text that its writer cut within a character) is decoded as U+FFFD.
    Raises UnreadableMessage, the peer's fault.
    """
    fields = _decode(without_lone_surrogates(line), _Raws, "")
    if "messageName" not in fields:
        raise UnreadableMessage("messageName: missing")
    name = _decode(fields.pop("messageName"), str, "messageName")
    kind = kinds.get(name)
    if kind is None:
        return _unknown(name, fields), ()
    shaped: dict[str, Any] = {"messageName": name}
    events: list[ChatEvent] = []
    damaged: tuple[Damaged, ...] = ()
    carried, all_fields = _CARRIED.get(kind), fields.copy()
    if carried is not None and carried.transcript in fields:
        shaped[carried.transcript], events, damaged = _read_transcript(fields.pop(carried.transcript), carried)
    if kind is EventSessionInfo and not (events or damaged or "sessionId" in (shaped.get("chatTranscript") or ())):
        return _unknown(name, all_fields), ()
    own = {
        attribute: value
        for attribute, value in _decode_fields(fields, kind, "").items()
        if _is_usable(attribute, value)
    }
    shaped |= _known(own, kind, {})
    try:
        message = msgspec.convert(shaped, kind)
    except UNREADABLE as error:
        raise _unreadable(error) from None
    if carried is not None and events:
        transcript = getattr(message, carried.transcript_field)
        transcript = msgspec.structs.replace(transcript, **{carried.events_field: events})
        message = msgspec.structs.replace(message, **{carried.transcript_field: transcript})
    return message, damaged


def _unknown(name: str, fields: _Raws) -> UnknownMessage:
    return UnknownMessage(name, {key: _decode_untyped(raw, _UNNAMED) for key, raw in fields.items()})


def without_lone_surrogates(text: bytes) -> bytes:
    """Return JSON text with U+FFFD for each escape of a lone surrogate."""
    return _ESCAPE.sub(lambda match: b"\\ufffd" if match[1] else match[0], text)


def _decode(raw: bytes | msgspec.Raw, kind: Any, at: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE as error:
        raise _unreadable(error, at) from None


def _decode_untyped(raw: bytes | msgspec.Raw, at: str) -> Any:
    try:
        return _untyped(raw)
    except UNREADABLE as error:
        raise _unreadable(error, at) from None


def _untyped(raw: bytes | msgspec.Raw) -> Any:
    """Decode JSON of any shape. A number that Python does not read, or reads as infinite, stays as its bytes (Raw).

    Raises UNREADABLE.
    """
    try:
        return _ANY.decode(raw)
    except msgspec.ValidationError:  # of any shape, so it can only be an integer of too many digits
        try:
            return _ANY_DIGITS.decode(bytes(raw).decode())
        except json.JSONDecodeError as error:
            raise msgspec.DecodeError(f"JSON is malformed: {error.msg}") from None


def _finite(text: str) -> float | msgspec.Raw:
    number = float(text)
    return number if isfinite(number) else msgspec.Raw(text.encode())


def _whole(text: str) -> int | msgspec.Raw:
    try:
        return int(text)
    except ValueError:  # more digits than Python converts
        return msgspec.Raw(text.encode())


def _not_json(name: str) -> None:
    raise msgspec.DecodeError(f"JSON is malformed: {name} is no number")


_ANY: Final = msgspec.json.Decoder(Any, float_hook=_finite)
_ANY_DIGITS: Final = json.JSONDecoder(parse_int=_whole, parse_float=_finite, parse_constant=_not_json)


def _decode_fields(fields: _Raws, kind: type[msgspec.Struct], above: str) -> dict[str, Any]:
    """Decode every field. A detail names known attributes only: the names that a peer invents may hold anything."""
    known = kind.__struct_encode_fields__
    return {name: _decode_untyped(raw, above + (name if name in known else _UNNAMED)) for name, raw in fields.items()}


def _read_transcript(
    raw: msgspec.Raw, carried: _Carried
) -> tuple[dict[str, Any] | None, list[ChatEvent], tuple[Damaged, ...]]:
    """Return the transcript without its events (None for a null), its events, and those that could not be read."""
    at = carried.transcript
    fields = _decode(raw, _Raws | None, at)
    if fields is None:
        return None, [], ()
    listed = fields.pop(carried.events, None)
    raws = None if listed is None else _decode(listed, list[msgspec.Raw] | None, f"{at}.{carried.events}")
    events, damaged = _read_events(raws or [], f"{at}.{carried.events}")
    return _known(_decode_fields(fields, carried.kind, f"{at}."), carried.kind, {}), events, damaged


def _read_events(raws: list[msgspec.Raw], at: str) -> tuple[list[ChatEvent], tuple[Damaged, ...]]:
    read = [read_event(raw, f"{at}[{index}]") for index, raw in enumerate(raws)]
    events = [one for one in read if isinstance(one, ChatEvent)]
    return events, tuple(one for one in read if isinstance(one, Damaged))


def read_event(raw: bytes | msgspec.Raw, at: str) -> ChatEvent | Damaged:
    """Decode the text of one event, which stands at the path `at` of its message."""
    try:
        event = _read_event(raw)
        problem = outside(event)
        detail = problem and f"{at}.{problem}"
    except UNREADABLE as error:
        detail = explain(error, at)
    else:
        if detail is None:
            return event
    return Damaged(bytes(raw), detail or "", event_id_of(bytes(raw)))


def _read_event(raw: bytes | msgspec.Raw) -> ChatEvent:
    unknown: dict[str, str] = {}
    fields = _untyped(raw)
    if not isinstance(fields, dict):
        msgspec.convert(fields, ChatEvent)  # says what it is instead of an object
    event = msgspec.convert(_known(fields, ChatEvent, unknown), ChatEvent)
    if unknown:
        return msgspec.structs.replace(event, unknown_attributes=event.unknown_attributes | unknown)
    return event


def event_id_of(raw: bytes) -> int | None:
    """Return the id of a damaged event, for the GAP that stands for it: its own attribute, if that is an id at all."""
    try:
        own = msgspec.json.decode(raw, type=_Raws).get("eventId", b"")
    except UNREADABLE:
        return None
    number = int(own) if _EVENT_ID.fullmatch(bytes(own)) else -1
    return number if number in EVENT_IDS else None


def _known(fields: dict[str, Any], kind: type[msgspec.Struct], unknown: dict[str, str]) -> dict[str, Any]:
    """Return the fields that `kind` has, converted to its shapes; put the others into `unknown`."""
    known: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in kind.__struct_encode_fields__:
            unknown[name] = _text(value)
        elif value is None:
            continue
        elif name in _PARTS and isinstance(value, dict):
            within = _PARTS[name].__struct_encode_fields__
            known[name] = {
                key: _refusable(inner) for key, inner in value.items() if key in within and inner is not None
            }
            unknown |= {f"{name}.{key}": _text(inner) for key, inner in value.items() if key not in within}
        elif name in _COLLECTIONS and isinstance(value, list):
            known[name] = [_item(item) for item in value]
        elif name in _UNTYPED and not (type(value) in _UNTYPED[name] and is_bounded(value)):
            known[name] = _text(value)
        else:
            known[name] = _refusable(value)
    return known


def _is_usable(attribute: str, value: Any) -> bool:
    """Tell whether the type of an attribute of a message has room for its value, or the value may be text."""
    return attribute in _UNTYPED or (is_bounded(value) and not isinstance(value, msgspec.Raw))


def _refusable(value: Any) -> Any:
    """Replace a number that was left as its bytes by one that the type of its attribute refuses for what it is."""
    if not isinstance(value, msgspec.Raw):
        return value
    return 2**64 if bytes(value).lstrip(b"-").isdigit() else inf


def _item(item: Any) -> Any:
    """Convert one item to its shape; what is no item at all is left for msgspec to refuse."""
    if not isinstance(item, dict):
        return item
    shaped = {name: item[name] for name in ("key", "type", "value") if item.get(name) is not None}
    value = shaped.get("value")
    if isinstance(value, list) and all(isinstance(inner, dict) and "key" in inner for inner in value):
        shaped["value"] = [_item(inner) for inner in value]
    elif isinstance(value, list | dict | bool | msgspec.Raw) or not is_bounded(value):
        shaped["value"] = _text(value)
    return shaped


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
