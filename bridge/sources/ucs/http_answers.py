"""What UCS answers over HTTP when it is asked for one interaction, and when it is over. Pure.

Context Services 8.5 answers with an interaction resource, as an object (its sample) or as an array (its table); the
transcript lies at the URL in `structured_text`. `status` 3 means stopped. UCS 9.1 answers with one object; that the
transcript is `InteractionContent.StructuredText`, as in the vendor's SDK, is an assumption, and so are the forms of
errors. Names of UCS 9.1 are read without regard to case.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from bridge.errors import Problem
from bridge.sources.ucs.http_codes import (
    UCS_HTTP_ERROR_INSIDE,
    UCS_HTTP_NO_TEXT,
    UCS_HTTP_NO_TRANSCRIPT,
    UCS_HTTP_NOT_FOUND,
    UCS_HTTP_NOT_JSON,
    UCS_HTTP_OTHER_CHAT,
    UCS_HTTP_OTHER_ORIGIN,
)
from bridge.sources.ucs.interaction_rows import STOPPED

_PORTS: Final = {"http": 80, "https": 443}
_ERRORS: Final = frozenset(("error", "errors", "errorcode", "errordescription", "exception", "fault", "faultcode"))
_IDS: Final = ("interaction_id", "interactionid", "id")
_DECLARATION: Final = re.compile(r"\A\ufeff?\s*<\?xml[^<>]{0,300}\?>")
_PAGE: Final = re.compile(rb"\A(\xef\xbb\xbf)?\s*(<!doctype\s+html|<html)", re.IGNORECASE)
_OBJECT: Final = re.compile(rb"\A(\xef\xbb\xbf)?\s*[\[{]")
_STOPPED: Final = frozenset(("stopped", str(STOPPED)))


@dataclass(slots=True, frozen=True)
class InteractionAnswer:
    """One interaction: its transcript, or the URL at which it lies. `stopped`: its status is that of one that is over.

    A status that is not there is no evidence that a chat is over.
    """

    text: bytes | None
    link: str | None
    stopped: bool


def context_services_answer(session_id: str, body: bytes, asked: str) -> InteractionAnswer | Problem:
    """Return what Context Services says of an interaction; `asked` is the URL to which it is the answer."""
    found = _only_one(session_id, _parsed(body))
    if isinstance(found, Problem):
        return found
    value = found.get("structured_text")
    if value is None or value == "":
        return Problem(UCS_HTTP_NO_TEXT, "the interaction has no structured_text")
    if not isinstance(value, str):
        return Problem(UCS_HTTP_NOT_JSON, "structured_text is no text")
    if value.lstrip().startswith("<"):
        return InteractionAnswer(_document(value), None, _is_stopped(found))
    link = same_origin(asked, value)
    if isinstance(link, Problem):
        return link
    return InteractionAnswer(None, link, _is_stopped(found))


def ucs_9_answer(session_id: str, body: bytes) -> InteractionAnswer | Problem:
    """Return what UCS 9.1 says of an interaction."""
    whole = _parsed(body)
    attributes, content = (_part(whole, name) for name in ("interactionattributes", "interactioncontent"))
    if content is None:
        found = _only_one(session_id, whole)
        if isinstance(found, Problem):
            return found
        content = found
    attributes = content if attributes is None else attributes
    named = _id_of(attributes)
    if named is not None and named != session_id:
        return _other_chat()
    value = content.get("structuredtext")
    if value is None or value == "":
        known = "structuredtext" in content or "structtextmimetype" in content or attributes is not content
        return (
            Problem(UCS_HTTP_NO_TEXT, "the interaction has no StructuredText")
            if known
            else Problem(UCS_HTTP_NOT_JSON, "the answer has no InteractionContent")
        )
    if not isinstance(value, str):
        return Problem(UCS_HTTP_NOT_JSON, "StructuredText is no text")
    return InteractionAnswer(_document(value), None, _is_stopped(attributes))


def same_origin(base: str, link: str) -> str | Problem:
    """Return `link`, made absolute, if its scheme, host and port are those of `base`, and it names no user."""
    refused = Problem(UCS_HTTP_OTHER_ORIGIN, "the answer names an address on another scheme, host or port")
    try:
        whole = urljoin(base, link)
        ours, theirs = urlsplit(base), urlsplit(whole)
        places = [(each.scheme, each.hostname, each.port or _PORTS.get(each.scheme)) for each in (ours, theirs)]
    except ValueError:
        return refused
    if places[0] != places[1] or theirs.username is not None or theirs.password is not None:
        return refused
    return whole


def transcript_problem(body: bytes) -> Problem | None:
    """Return why what lies at the address of a transcript is none; a damaged transcript is one."""
    if _PAGE.match(body):
        return Problem(UCS_HTTP_NO_TRANSCRIPT, "an HTML page at the address of the transcript")
    if _OBJECT.match(body):
        return Problem(UCS_HTTP_NO_TRANSCRIPT, "JSON at the address of the transcript")
    if not body.strip():
        return Problem(UCS_HTTP_NO_TEXT, "the transcript is empty")
    return None


def in_utf_8(body: bytes, charset: str | None) -> bytes:
    """Return a transcript in UTF-8. `charset` is that of the response, which counts only if the bytes are no UTF-8.

    Servers are known to name their default, ISO-8859-1, whatever they send.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return body
    if charset is None or charset.lower().replace("_", "-") in {"utf-8", "utf8"}:
        return body
    try:
        return _document(body.decode(charset))
    except (ValueError, LookupError):  # some of Python's codecs refuse whatever it is
        return body


def _document(text: str) -> bytes:
    """Return a document without what it declares, because its encoding is UTF-8 now."""
    return _DECLARATION.sub("", text).encode("utf-8", "surrogatepass")


def _parsed(body: bytes) -> Any:
    """Return the value with lower-case names, None if it is no JSON."""
    try:
        return json.loads(body, object_pairs_hook=lambda pairs: {name.lower(): value for name, value in pairs})
    except (ValueError, RecursionError):
        return None


def _only_one(session_id: str, value: Any) -> dict[str, Any] | Problem:
    """Return the interaction in an object or an array of objects."""
    if isinstance(value, list):
        if not value:
            return Problem(UCS_HTTP_NOT_FOUND, "the answer is an empty array")
        own = [each for each in value if isinstance(each, dict) and _id_of(each) == session_id]
        if not own and len(value) > 1:
            return Problem(UCS_HTTP_OTHER_CHAT, "the answer has several interactions, and none under this id")
        value = own[0] if own else value[0]
    if not isinstance(value, dict):
        return Problem(UCS_HTTP_NOT_JSON, "the answer is neither a JSON object nor an array of them")
    if _ERRORS & value.keys() and "structured_text" not in value and "structuredtext" not in value:
        return Problem(UCS_HTTP_ERROR_INSIDE, "the answer is an error")
    named = _id_of(value)
    if named is not None and named != session_id:
        return _other_chat()
    return value


def _part(value: Any, name: str) -> dict[str, Any] | None:
    part = value.get(name) if isinstance(value, dict) else None
    return part if isinstance(part, dict) else None


def _id_of(value: dict[str, Any]) -> str | None:
    return next((value[name] for name in _IDS if isinstance(value.get(name), str)), None)


def _other_chat() -> Problem:
    return Problem(UCS_HTTP_OTHER_CHAT, "the answer is about another interaction")


def _is_stopped(value: dict[str, Any]) -> bool:
    return str(value.get("status")).lower() in _STOPPED
