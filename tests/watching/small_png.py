"""Makes PNG files small: a screenshot has few colours, and 256 of them are enough."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_MOST_COLOURS: Final = 256
_TRUECOLOUR: Final = 2
_INDEXED: Final = 3
_SUB, _UP, _AVERAGE, _PAETH = 1, 2, 3, 4


def smaller(png: bytes) -> bytes:
    """Return the same picture with a palette. `png` has three bytes a pixel, as Chromium writes it."""
    parts = dict(_joined(png))
    width, height, depth, kind = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    assert (depth, kind) == (8, _TRUECOLOUR), "another kind of PNG"
    lines = _lines(zlib.decompress(parts[b"IDAT"]), width * 3)
    counts = Counter(line[at : at + 3] for line in lines for at in range(0, len(line), 3))
    palette = [colour for colour, _ in counts.most_common(_MOST_COLOURS)]
    index = {colour: bytes([_nearest(colour, palette)]) for colour in counts}
    data = b"".join(b"\0" + b"".join(index[line[at : at + 3]] for at in range(0, len(line), 3)) for line in lines)
    head = struct.pack(">IIBBBBB", width, height, 8, _INDEXED, 0, 0, 0)
    written = [(b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(name, body) for name, body in written)


def _joined(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks, those of the picture's data as one."""
    at, data = len(_SIGNATURE), b""
    while at < len(png):
        [length] = struct.unpack(">I", png[at : at + 4])
        name, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length
        if name == b"IDAT":
            data += body
        else:
            yield name, body
    yield b"IDAT", data


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _lines(raw: bytes, size: int) -> list[bytes]:
    """Return the lines without their filters (PNG, section 9)."""
    found: list[bytes] = []
    above = bytes(size)
    for start in range(0, len(raw), size + 1):
        line = bytearray(raw[start + 1 : start + 1 + size])
        kind = raw[start]
        for at in range(size if kind else 0):
            left, corner = (line[at - 3], above[at - 3]) if at >= 3 else (0, 0)
            line[at] = (line[at] + _predicted(kind, left, above[at], corner)) & 255
        above = bytes(line)
        found.append(above)
    return found


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == _SUB:
        return left
    if kind == _UP:
        return up
    if kind == _AVERAGE:
        return (left + up) // 2
    assert kind == _PAETH
    return min((left, up, corner), key=lambda one: abs(left + up - corner - one))


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    return min(range(len(palette)), key=lambda at: sum((a - b) ** 2 for a, b in zip(colour, palette[at], strict=True)))
