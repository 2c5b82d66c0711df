"""What of an input that could not be read goes into the quarantine: its bytes, under the rules of the output (P5).

A path of attributes cannot be told in bytes that could not be read. So where the words of such a rule stand in an
input, all its letters and digits are masked, as where it names a secret: its structure stays visible. So they are in
any input under an allow-list, which may not name what it holds, and in typing notices where previews are dropped.
Detectors read the bytes as text, behind escapes, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.records.escapes import unescaped
from bridge.records.redactor import Redaction
from bridge.records.rules import NOT_ALLOWED, TYPING_PREVIEW
from bridge.records.secret_names import SECRET, masked, scrub
from bridge.records.typing_previews import names_typing

if TYPE_CHECKING:
    from bridge.records.redactor import Redactor

_FIELD: Final = "bytes"
_LITERAL: Final = re.compile(r"\[[^\]]*\]|[*?.]")


def redacted_input(raw: bytes, redactor: Redactor) -> tuple[bytes, list[Redaction]]:
    """Return bytes for the quarantine, and what was done to them."""
    kept = scrub(raw)
    if kept != raw:
        return kept, [Redaction(_FIELD, SECRET, 1)]
    if not redactor.has_rules and redactor.typing_previews:
        return raw, []
    plain = raw.replace(b"\0", b"")  # UTF-16 of ASCII
    shown = unescaped(plain.decode("utf-8", "replace")).casefold()
    rule = _rule_about_all(redactor, shown)
    if rule is not None:
        return masked(raw), [Redaction(_FIELD, rule, 1)]
    done: list[Redaction] = []
    if plain != raw:
        redactor.text(_FIELD, plain.decode("utf-8", "surrogateescape"), done)
        return (masked(raw), done) if done else (raw, [])
    text = redactor.text(_FIELD, raw.decode("utf-8", "surrogateescape"), done)
    return (text.encode("utf-8", "surrogateescape"), done) if done else (raw, [])


def _rule_about_all(redactor: Redactor, shown: str) -> str | None:
    """Return the name of a rule by which all of an input is masked, given its text behind escapes; None: by none."""
    if redactor.has_allow_list:
        return NOT_ALLOWED
    if not redactor.typing_previews and names_typing(shown):
        return TYPING_PREVIEW
    return next((rule for rule, glob in redactor.globs if _may_name(glob, shown)), None)


def _may_name(glob: str, text: str) -> bool:
    """Tell whether a text holds every word of a glob; a glob without words may be about anything."""
    return all(word in text for word in _LITERAL.split(glob.casefold()))
