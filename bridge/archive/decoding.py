"""From the bytes of a stored transcript to text that XML 1.0 allows, whatever databases and exports did to them.

Each function takes what the one before it has left, and notes each repair. What cannot be had becomes U+FFFD, so that
nobody takes a guess for what was said.
"""

from __future__ import annotations

import codecs
import html
import re
from html.entities import html5
from typing import TYPE_CHECKING, Final

from bridge.archive import repair_codes as codes
from bridge.archive.repairs import Places
from bridge.transcript.bounds import LOST, NOT_XML

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.archive.repairs import RepairLog

_BOM: Final = "\ufeff"
_WIDE: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z][A-Za-z0-9._:-]{0,40})[\"']")
_DECLARATION: Final = re.compile(r"<\?xml[^<>]{0,300}\?>")
_BEGINNING: Final = 1_024
"""In this many bytes the declaration is looked for."""
_SINGLE_BYTE: Final = frozenset(
    [f"iso8859-{part}" for part in range(1, 17)]
    + [f"cp{page}" for page in (437, 850, 852, 855, 866, 874, *range(1250, 1259))]
    + ["ascii", "koi8-r", "koi8-u", "mac-roman", "tis-620"]
)
_MULTI_BYTE: Final = frozenset(
    ("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949", "iso2022_jp")
)
_OLDER: Final = _SINGLE_BYTE | _MULTI_BYTE
_ASCII: Final = bytes(range(128))
_ENOUGH: Final = 8
_NOT_UTF8: Final = re.compile(
    "\udced[\udca0-\udcaf][\udc80-\udcbf]\udced[\udcb0-\udcbf][\udc80-\udcbf]"  # both halves of one character
    "|\udced[\udca0-\udcbf][\udc80-\udcbf]"  # one half alone
    "|[\udc80-\udcff]"
)
_REFERENCE: Final = re.compile(
    r"((?:&#(?:[xX][0-9A-Fa-f]{1,8}|[0-9]{1,10});)+)"  # neighbours, as two may be the halves of one character
    r"|&([A-Za-z][A-Za-z0-9]{0,31};)|&"
)
_ESCAPED_ONCE: Final = re.compile("&(lt|gt|quot|apos|amp|#39|#34);")
_OF_XML: Final = frozenset(("amp;", "lt;", "gt;", "quot;", "apos;"))
_HIGH: Final = range(0xD800, 0xDC00)
_LOW: Final = range(0xDC00, 0xE000)
_FIRST_WIDE: Final = 0x10000
_LAST: Final = 0x10FFFF


def declared_codec(data: bytes) -> str | None:
    """Return Python's name of the encoding that the document declares; None for none, or one that is not read."""
    found = _DECLARED.search(data[:_BEGINNING])
    if found is None:
        return None
    try:
        name = codecs.lookup(found[1].decode()).name
    except (LookupError, ValueError):
        return None
    return name if name in _SINGLE_BYTE or name in _MULTI_BYTE or name.startswith("utf-") else None


def is_mislabelled(data: bytes) -> bool:
    """Tell whether the document is in UTF-8 and declares an older encoding that would read other characters.

    Text in an encoding of one byte per character that happens to be UTF-8 throughout is very unlikely; in one of
    several bytes, a few characters may be.
    """
    declared = declared_codec(data)
    if declared not in _OLDER or data.isascii() or not _is_utf8(data):
        return False
    return declared in _SINGLE_BYTE or len(data.translate(None, _ASCII)) >= _ENOUGH


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def decoded(data: bytes, log: RepairLog) -> str:
    """Return the document as text; bytes that are no characters became U+FFFD."""
    for bom, codec in _WIDE:
        if data.startswith(bom):
            rest = data[len(bom) :]
            if 0 in rest[:8]:
                return _strictly(rest, codec, log)
            log.add(codes.WRONG_BOM, Places(""), 0)
            data = rest
    for beginning, codec in ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be")):
        if data.startswith(beginning):
            return _strictly(data, codec, log)
    declared, mislabelled = declared_codec(data), is_mislabelled(data)
    if declared in _OLDER and not mislabelled:
        return _strictly(data, declared, log)
    if mislabelled or (declared != "utf-8" and _DECLARED.search(data[:_BEGINNING])):
        log.add(codes.WRONG_ENCODING, Places(""), 0)
    return _from_utf8(data, log)


def _strictly(data: bytes, codec: str, log: RepairLog) -> str:
    """Decode in the encoding that is known to be the right one."""
    text = data.decode(codec, "replace")
    if LOST in text:
        places = Places(text)
        for found in re.finditer(LOST, text):
            log.add(codes.INVALID_BYTES, places, found.start())
    return text


def _from_utf8(data: bytes, log: RepairLog) -> str:
    text = data.decode("utf-8", "surrogateescape")
    places = Places(text)

    def mended(found: re.Match[str]) -> str:
        raw = found[0].encode("utf-8", "surrogateescape")
        both = len(raw) > 3  # noqa: PLR2004 - a half has three bytes
        log.add(codes.CESU_8 if both else codes.INVALID_BYTES, places, found.start())
        halves = raw.decode("utf-8", "surrogatepass") if both else ""
        return _joined(ord(halves[0]), ord(halves[1])) if both else LOST

    return _NOT_UTF8.sub(mended, text)


def _joined(high: int, low: int) -> str:
    return chr(_FIRST_WIDE + ((high - _HIGH.start) << 10) + (low - _LOW.start))


def beginning_found(text: str, log: RepairLog) -> str:
    """Return the text from the document's first `<` on, without its declaration; the lines keep their numbers."""
    at = text.find("<")
    escaped = text.find("&lt;")
    if escaped >= 0 and (at < 0 or escaped < at) and text.startswith(("&lt;?xml", "&lt;chatTranscript"), escaped):
        log.add(codes.ESCAPED_DOCUMENT, Places(text), escaped)
        text = _ESCAPED_ONCE.sub(lambda found: html.unescape(found[0]), text)
        at = text.find("<")
    before = text[: max(at, 0)]
    if before and before != _BOM:
        places = Places(text)
        log.add(codes.WRONG_BOM if _BOM in before and not before.strip("\ufeff\0 \t\r\n") else codes.BEFORE_THE_START,
                places, 0)  # fmt: skip
    lines = "\n" * before.count("\n")
    text = text[max(at, 0) :]
    declaration = _DECLARATION.match(text)
    if declaration is None:
        return lines + text
    return lines + "\n" * declaration[0].count("\n") + text[declaration.end() :]


def with_xml_characters(text: str, log: RepairLog) -> str:
    """Return the text with each character that XML does not have replaced by U+FFFD; those at the end are dropped."""
    places = Places(text)
    end = len(text.rstrip("\0\x1a \t\r\n"))

    def mended(found: re.Match[str]) -> str:
        log.add(codes.CONTROL_CHARACTER, places, found.start())
        return "" if found.start() >= end else LOST

    return NOT_XML.sub(mended, text)


def with_known_references(text: str, log: RepairLog) -> str:
    """Return the text with such references only as XML knows, but for CDATA sections and comments."""
    places = Places(text)
    return "".join(
        chunk if is_literal else _mended_references(chunk, places, start, log)
        for start, chunk, is_literal in _sections(text)
    )


def _sections(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield (position, text, whether it is a CDATA section or a comment)."""
    position = 0
    for found in re.finditer(r"<!\[CDATA\[|<!--", text):
        if found.start() < position:
            continue
        closing = "-->" if found[0] == "<!--" else "]]>"
        end = text.find(closing, found.end())
        if end < 0:
            break
        yield position, text[position : found.start()], False
        position = end + len(closing)
        yield found.start(), text[found.start() : position], True
    yield position, text[position:], False


def _mended_references(text: str, places: Places, start: int, log: RepairLog) -> str:
    def mended(found: re.Match[str]) -> str:
        position, entity = start + found.start(), found[2]
        if found[1]:
            return _mended_numbers([_number(part) for part in found[1].split(";")[:-1]], places, position, log)
        if entity is None:
            log.add(codes.BARE_AMPERSAND, places, position)
            return "&amp;"
        if entity in _OF_XML:
            return found[0]
        known = html5.get(entity)
        log.add(codes.UNKNOWN_ENTITY if known is None else codes.HTML_ENTITY, places, position)
        return f"&amp;{entity}" if known is None else html.escape(known)

    return _REFERENCE.sub(mended, text)


def _number(reference: str) -> int:
    digits = reference.removeprefix("&#")
    return int(digits[1:], 16) if digits[0] in "xX" else int(digits)


def _mended_numbers(numbers: list[int], places: Places, position: int, log: RepairLog) -> str:
    out: list[str] = []
    high: int | None = None  # the first half of a character, if that came last
    for number in numbers:
        if high is not None and number in _LOW:
            log.add(codes.SURROGATE_REFERENCES, places, position)
            out[-1], high = _joined(high, number), None
            continue
        if high is not None:
            log.add(codes.BAD_REFERENCE, places, position)
        high = number if number in _HIGH else None
        if number <= _LAST and not NOT_XML.match(chr(number)):
            out.append(f"&#{number};")
            continue
        out.append(LOST)
        if high is None:
            log.add(codes.BAD_REFERENCE, places, position)
    if high is not None:
        log.add(codes.BAD_REFERENCE, places, position)
    return "".join(out)
