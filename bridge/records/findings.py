"""What the verification of records finds, and the promises that a finding is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# What was promised.
READABLE: Final = "readable"
SCHEMA: Final = "schema"
"""Of records that may be sound: what wrote them is not known here. Neither broken nor verified."""
CHAIN: Final = "chain"
SEQUENCE: Final = "sequence"
ID: Final = "id"
ORDER: Final = "order"
PARTITION: Final = "partition"
CERTIFICATE: Final = "certificate"
FILLS: Final = "fills"
EPOCH: Final = "epoch"
RETENTION: Final = "retention"
HEADERS: Final = "headers"
"""Key, headers and Kafka's time of a record say what its value says."""
SIGNATURE: Final = "signature"
"""Each session record is signed with a known key."""
ANCHOR: Final = "anchor"
"""What a signed statement says of a chat, or of a certificate, is on the topics."""
PRESENCE: Final = "presence"
"""What was asked for is there."""


@dataclass(slots=True, frozen=True)
class Finding:
    """One result about a chat. `broken` distinguishes a broken promise from a remark.

    `session_id` is empty when the record could not be read. `by_absence`: said because a record is not there.
    """

    session_id: str
    promise: str
    message: str
    broken: bool = True
    by_absence: bool = False

    def __str__(self) -> str:
        """The chat and the message."""
        return f"chat {self.session_id}: {self.message}" if self.session_id else self.message
