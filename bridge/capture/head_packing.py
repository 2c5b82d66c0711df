"""Makes heads of checkpoints small in memory. Pure.

Heads of chats that were closed alike differ in the end of the chain, in times and in counts. Compressed against one of
them, one of 160 bytes takes 60. That takes 10 us, and as long back.
"""

from __future__ import annotations

import zlib
from typing import Final

_MODEL_BYTES: Final = 512
_WINDOW_BITS: Final = -10  # no header; 1 KiB: what is to be set up for each head is small
_LEVEL: Final = 6
_MEMORY_LEVEL: Final = 1


class HeadPacking:
    """What one of these has packed, only this one unpacks: the first head is the model of all others."""

    def __init__(self) -> None:
        """There is no model yet."""
        self._model = b""

    def packed(self, head: bytes) -> bytes:
        """Return a head, compressed."""
        self._model = self._model or head[:_MODEL_BYTES]
        packing = zlib.compressobj(
            _LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, self._model
        )
        return packing.compress(head) + packing.flush()

    def unpacked(self, packed: bytes) -> bytes:
        """Return what `packed` got."""
        return zlib.decompressobj(_WINDOW_BITS, self._model).decompress(packed)
