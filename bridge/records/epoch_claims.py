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

    def unpacked(self) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the certificate and the summary as `Schemas.decode` returned them."""
        certificate, summary = msgspec.msgpack.decode(self.packed)
        return certificate, summary


@dataclass(slots=True, frozen=True)
class AnchoredHead:
    """The last record of an open chat, as a signed statement names it; `at` in us since 1970 UTC."""

    epoch: int
    sequence: int
    head: bytes
    at: int
    where: str
