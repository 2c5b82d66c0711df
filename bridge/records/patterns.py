r"""Regular expressions of the users, run by RE2: the only file that knows its Python module.

RE2 never backtracks, so one search takes time linear in what it reads, whatever the pattern and the text. The price is
its syntax (https://github.com/google/re2/wiki/Syntax): no look-around, no back-references, no possessive repeats, and
`\d`, `\w`, `\s`, `\b` know ASCII only.

All finds of a text are one search after the other, and a search may read to the end of the text only to return a short
match (`x.*y|x` on a text of many x): quadratic in sum. So the first searches of a text may read to its end, until
WIDE_BYTES are used up; each later one is shown 2 * REACH_BYTES at a time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIDE_BYTES: Final = 16 << 20
"""What the searches that are shown all the rest of a text may read in sum: 1,000 searches of 16 KiB, 16 of 1 MiB."""

REACH_BYTES: Final = 1_024
"""How far from its beginning a later match is looked for at least, in bytes of UTF-8."""

_MEMORY_BYTES: Final = 8 << 20  # RE2's default: the compiled pattern and the states that a search keeps
_LOOK_AROUND: Final = re.compile(r"\(\?<?[=!]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LONGEST_QUOTE: Final = 20  # characters; RE2 may quote the whole pattern as the place of an error


def compiled(pattern: str) -> Callable[[str], Iterator[tuple[int, int]]]:
    """Return a function that yields (start, end), in characters, of each non-empty match in a text, without overlap.

    Matches are those of RE2 with Perl's preference (the leftmost; of several there, the first alternative). Once
    WIDE_BYTES are used up, a match that ends within REACH_BYTES of its beginning is still always found, and one that
    runs up to what was shown is searched on to its end (`secret.*`); one for which the pattern needs something
    further away (`begin.*end`) may be missed. A lone surrogate counts as U+FFFD. Any text is accepted.

    Raises ValueError when RE2 cannot compile the pattern, with what to do instead; this is the user's to mend.
    """
    import re2  # noqa: PLC0415 - a process without patterns of the users is to be spared its memory

    options = re2.Options()
    options.log_errors = False  # else RE2 writes to standard error
    options.max_mem = _MEMORY_BYTES
    options.never_capture = True  # only whole matches are asked for
    try:
        program = re2.compile(pattern, options)
    except UnicodeEncodeError:
        raise ValueError("no regular expression: holds a lone surrogate") from None
    except re2.error as error:
        raise ValueError(_explained(pattern, error.args[0])) from None
    return lambda text: _finds(program, text)


def _finds(program: Any, text: str) -> Iterator[tuple[int, int]]:
    raw = _encoded(text)
    chars = counted = 0  # `chars` characters are in the first `counted` bytes
    for start, end in _spans(program, raw):
        first = chars + _characters(raw, counted, start)
        chars, counted = first + _characters(raw, start, end), end
        yield first, chars


def _spans(program: Any, raw: bytes) -> Iterator[tuple[int, int]]:
    r"""Yield the non-empty matches as bytes from and to; each begins and ends between characters.

    RE2 sees `^`, `$` and `\b` in the whole text, wherever the part begins or ends that it is shown.
    """
    at = used = 0
    while at < len(raw):
        used += len(raw) - at
        reach = len(raw) if used <= WIDE_BYTES else REACH_BYTES
        while True:
            shown = _between_characters(raw, at + 2 * reach)
            match = program.search(raw, at, shown)
            if match is None or match.end() < shown or shown == len(raw):
                break
            reach *= 2  # at the edge the match may be cut; its length pays for reading it again
        if match is None:
            at = len(raw) if shown == len(raw) else _between_characters(raw, at + REACH_BYTES)
            continue
        start, end = match.span()
        if start > at + REACH_BYTES and shown < len(raw):  # it saw less than its reach
            at = start
            continue
        end = _between_characters(raw, end)
        if start == end:
            at = _between_characters(raw, end + 1)
        else:
            yield _character_start(raw, start), end
            at = end


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text).encode()


def _between_characters(raw: bytes, at: int) -> int:
    """Return the first place from `at` on where no character is cut; at most the length."""
    while at < len(raw) and raw[at] & 0xC0 == 0x80:  # noqa: PLR2004 - 10xxxxxx continues a character
        at += 1
    return min(at, len(raw))


def _character_start(raw: bytes, at: int) -> int:
    r"""Return `at`, or where the character begins that it cuts: `\C` of RE2 matches single bytes."""
    while raw[at] & 0xC0 == 0x80:  # noqa: PLR2004
        at -= 1
    return at


def _characters(raw: bytes, start: int, end: int) -> int:
    return len(raw[start:end].decode())


def _explained(pattern: str, said: bytes | str) -> str:
    """Say what RE2 does not have and what to do instead, for what people bring along from other engines."""
    reason, _, place = (said.decode("utf-8", "replace") if isinstance(said, bytes) else said).partition(": ")
    if _LOOK_AROUND.fullmatch(place) or place == "(?<":
        lacks = "look-around; match the surroundings, too, or use \\b, ^ or $"
    elif re.fullmatch(r"\\[1-9]", place) or place in {"\\g", "\\k"} or (place == "(?P" and "(?P=" in pattern):
        lacks = "back-references; write the repeated part out, or write one rule for each case"
    elif place in {"(?>", "(?("}:
        lacks = "atomic groups and conditions; write (?:...) and alternatives, it never backtracks"
    elif reason == "bad repetition operator":
        lacks = "possessive or stacked repeats; write one repeat (a+ instead of a++), it never backtracks"
    elif reason == "invalid repetition size":
        lacks = "repeats of more than 1,000, also when nested; write + or * instead"
    elif reason.startswith("pattern too large"):
        return f"needs more than {_MEMORY_BYTES >> 20} MiB compiled; write + or * instead of a bounded repeat"
    elif place == "\\Z":
        lacks = "\\Z; write \\z"
    elif place in {"\\u", "\\U", "\\N"}:
        lacks = f"{place}; write \\x{{1F600}} or the character itself"
    else:
        quote = f": {place}" if place and len(place) <= _LONGEST_QUOTE and place.isprintable() else ""
        return f"no regular expression of RE2: {reason}{quote}"
    return f"no regular expression of RE2: it does not have {lacks}"
