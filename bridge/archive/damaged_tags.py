"""One start tag of a damaged document: its name, and of its attributes what can be read."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Final

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
_ATTRIBUTE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.:-]*)\s*=\s*(?:\"([^\"<]*)\"|'([^'<]*)')")
_BEGUN: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.:-]*)\s*=\s*[\"']([^<>]*)")
_UNQUOTED: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.:-]*)\s*=\s*([^\s\"'<>]+)")
_NAME_ONLY: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.:-]*)")
_END: Final = re.compile(r"(/?)>")
_AFTER_ATTRIBUTE: Final = frozenset(" \t\n/><")
_BLANK_RUN: Final = re.compile(r"[\t\n]")


@dataclass(slots=True)
class StartTag:
    """`end` is the position after it. `flaws` counts attributes that are not as they should be.

    `closed`: the tag has a `>`; `empty`: it is one without content.
    """

    name: str
    end: int
    attributes: dict[str, str] = field(default_factory=dict)
    flaws: int = 0
    closed: bool = False
    empty: bool = False

    def keep(self, name: str, value: str) -> None:
        """Keep the first value that comes under a name."""
        if name in self.attributes:
            self.flaws += 1
        else:
            self.attributes[name] = html_free(_BLANK_RUN.sub(" ", value))


def html_free(text: str) -> str:
    """Return the text with its references resolved: those of XML, as all others have been replaced before."""
    return html.unescape(text) if "&" in text else text


def start_tag(text: str, at: int) -> StartTag | None:
    """Return the start tag whose `<` is at a position; None if no name follows."""
    named = NAME.match(text, at + 1)
    if named is None:
        return None
    tag = StartTag(named[0], named.end())
    while True:
        while tag.end < len(text) and text[tag.end].isspace():
            tag.end += 1
        if tag.end == len(text):
            break
        if ended := _END.match(text, tag.end):
            tag.end, tag.closed, tag.empty = ended.end(), True, bool(ended[1])
            break
        if text[tag.end] == "<":
            break
        _next_attribute(text, tag)
        tag.flaws += tag.end < len(text) and text[tag.end] not in _AFTER_ATTRIBUTE
    return tag


def _next_attribute(text: str, tag: StartTag) -> None:
    """Read one attribute, or skip one character."""
    if found := _ATTRIBUTE.match(text, tag.end):
        value = found[2] if found[2] is not None else found[3]
        kept, swallowed = _without_next_name(value)
        tag.keep(found[1], kept)
        tag.end = found.end() if swallowed is None else found.end() - 1 - len(swallowed)
        tag.flaws += swallowed is not None
        return
    tag.flaws += 1
    if found := _BEGUN.match(text, tag.end) or _UNQUOTED.match(text, tag.end):
        tag.keep(found[1], found[2].removesuffix("/"))
        tag.end = found.end()
    elif found := _NAME_ONLY.match(text, tag.end):
        tag.end = found.end()
    else:
        tag.end += 1


def _without_next_name(value: str) -> tuple[str, str | None]:
    """Split `01 timeShift=`, the value of an attribute whose closing quote is missing, from the next attribute."""
    head, blank, last = value.rpartition(" ")
    if blank and last.endswith("=") and NAME.fullmatch(last[:-1]):
        return head, last
    return value, None
