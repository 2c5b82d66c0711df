"""Words of the protocol, and codes of ours: each once in memory, whatever it was read from, not once for each chat."""

from __future__ import annotations

from typing import Final

from bridge.transcript.entries import GAP, KIND_OF, RESUMED, SOURCES, UNKNOWN
from bridge.transcript.events import ALL, INT, PROTOCOL_TYPES, USER_TYPES, VIP
from bridge.transcript.gap_codes import GAP_CODES
from bridge.transcript.watching import UNWATCHED_CODES

_VISIBILITIES: Final = (ALL, INT, VIP)
_KINDS: Final = (*KIND_OF.values(), GAP, RESUMED, UNKNOWN)

WORDS: Final = {
    word: word
    for word in (*USER_TYPES, *PROTOCOL_TYPES, *_VISIBILITIES, *SOURCES, *_KINDS, *GAP_CODES, *UNWATCHED_CODES)
}
"""Each by itself. What is not among them, as a peer may say anything, is kept where it came only."""
