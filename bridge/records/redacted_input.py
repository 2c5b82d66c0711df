"""What of an input that could not be read goes into the quarantine: its bytes, under the rules of the output (P5).

A path of attributes cannot be told in bytes that could not be read. So where the words of such a rule stand in an
input, all its letters and digits are masked, as where it names a secret: its structure stays visible. Detectors read
the bytes as text, behind escapes, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.records.escapes import unescaped
from bridge.records.redact import Redaction
from bridge.records.secret_names import SECRET, masked, scrub

if TYPE_CHECKING:
    from bridge.records.redact import Redactor

_FIELD: Final = "bytes"
_LITERAL: Final = re.compile(r"\[[^\]]*\]|[*?.]")


def redacted_input(raw: bytes, redactor: Redactor) -> tuple[bytes, list[Redaction]]:
    """Return bytes for the quarantine, and what was done to them."""
    kept = scrub(raw)
    if kept != raw:
        return kept, [Redaction(_FIELD, SECRET, 1)]
    if not redactor.has_rules:
        return raw, []
    plain = raw.replace(b"\0", b"")  # UTF-16 of ASCII
    shown = unescaped(plain.decode("utf-8", "replace")).casefold()
    for rule, glob in redactor.globs:
        if _may_name(glob, shown):
            return masked(raw), [Redaction(_FIELD, rule, 1)]
    done: list[Redaction] = []
    if plain != raw:
        redactor.text(_FIELD, plain.decode("utf-8", "surrogateescape"), done)
        return (masked(raw), done) if done else (raw, [])
    text = redactor.text(_FIELD, raw.decode("utf-8", "surrogateescape"), done)
    return (text.encode("utf-8", "surrogateescape"), done) if done else (raw, [])


def _may_name(glob: str, text: str) -> bool:
    """Tell whether a text holds every word of a glob; a glob without words may be about anything."""
    return all(word in text for word in _LITERAL.split(glob.casefold()))
