"""Makes checkpoints of chats small in memory. Pure.

Heads of chats that were closed alike differ in the end of the chain, in times and in counts. Compressed against a few
of them, one of 230 bytes takes 100. That takes some 10 us, and as long back.
"""

from __future__ import annotations

import zlib
from typing import Final

_MODEL_HEADS: Final = 4
_HEAD_BYTES: Final = 512
_HEAD_WINDOW_BITS: Final = 12  # 4 KiB: what is to be set up for each head is small
_LEVEL: Final = 6
_MEMORY_LEVEL: Final = 1
_PLAIN: Final = b"\0"
_COMPRESSED: Final = b"\1"


class HeadPacking:
    """What one of these has packed, only this one unpacks, or one with the same model."""

    def __init__(self, model: bytes = b"", window_bits: int = _HEAD_WINDOW_BITS) -> None:
        """Pack against `model`; without one, against the first few heads. The window is 2**window_bits bytes."""
        self._window_bits = -window_bits  # negative: without a header
        self._model = model
        self._heads = _MODEL_HEADS if model else 0

    def packed(self, head: bytes) -> bytes:
        """Return a head, compressed unless it is one of the first."""
        if self._heads < _MODEL_HEADS:
            self._heads += 1
            self._model += head[:_HEAD_BYTES]
            return _PLAIN + head
        packing = zlib.compressobj(
            _LEVEL, zlib.DEFLATED, self._window_bits, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, self._model
        )
        return _COMPRESSED + packing.compress(head) + packing.flush()

    def unpacked(self, packed: bytes) -> bytes:
        """Return what `packed` got."""
        if packed.startswith(_PLAIN):
            return packed[1:]
        return zlib.decompressobj(self._window_bits, self._model).decompress(packed[1:])
