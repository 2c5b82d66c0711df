"""What is said of one epoch of a chat elsewhere, to be compared with its records: certificates, anchored heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(slots=True)
class Certified:
    """A certificate in the form that takes least memory, and whether it was compared with its chat."""

    where: str
    last_sequence: int
    packed: bytes
    checked: bool = False

    @property
    def certificate(self) -> dict[str, Any]:
        """The certificate as `Schemas.decode` returned it."""
        unpacked: dict[str, Any] = msgspec.msgpack.decode(self.packed)
        return unpacked


@dataclass(slots=True, frozen=True)
class AnchoredHead:
    """The last record of an open chat, as a signed statement names it; `at` in us since 1970 UTC."""

    epoch: int
    sequence: int
    head: bytes
    at: int
    where: str
