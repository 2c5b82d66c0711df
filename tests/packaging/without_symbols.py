"""`python -m tests.packaging.without_symbols FOLDER`: take out of shared libraries what only debuggers read.

Wheels of extension modules bring symbol tables and debug information, more than half of their size. What the dynamic
loader reads is in the segments of the program headers; sections behind the last segment are never loaded. `strip` of
binutils does the same, but the base of the image does not have it.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC: Final = b"\x7fELF\x02\x01"  # 64 bits, little endian: x86-64 and AArch64
_SECTION_TABLE: Final = 40  # e_shoff of the header
_SECTION_NUMBERS: Final = 60  # e_shnum and e_shstrndx


def without_symbols(library: bytes) -> bytes:
    """Return a shared library up to the end of its last segment, without section headers; any other file as it is.

    Source: the System V ABI, chapters "ELF Header" and "Program Header".
    """
    if not library.startswith(_MAGIC):
        return library
    (table,) = struct.unpack_from("<Q", library, 32)
    size, count = struct.unpack_from("<HH", library, 54)
    end = max(64, table + size * count)
    for at in range(table, table + size * count, size):
        offset, _, _, in_file = struct.unpack_from("<QQQQ", library, at + 8)
        end = max(end, offset + in_file)
    kept = bytearray(library[:end])
    struct.pack_into("<Q", kept, _SECTION_TABLE, 0)
    struct.pack_into("<HH", kept, _SECTION_NUMBERS, 0, 0)
    return bytes(kept)


def _libraries(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.so*")) if path.is_file() and not path.is_symlink())


def main(folder: Path) -> None:
    """Rewrite the shared libraries below a folder."""
    before = after = 0
    for path in _libraries(folder):
        whole = path.read_bytes()
        kept = without_symbols(whole)
        before, after = before + len(whole), after + len(kept)
        if kept != whole:
            path.write_bytes(kept)
    sys.stdout.write(f"shared libraries: {before / 1e6:.1f} MB, without symbols {after / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
