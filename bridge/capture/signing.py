"""The second step of a commit where a key is configured: signs session records and anchors, as they were decided.

A record is completed in place, and its signature covers what is committed: all bytes before it. If signing fails,
nothing is committed (`Preparation`), and `/readyz` says SIGNING_FAILED until it succeeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bridge.capture.shard_evidence import ALWAYS, KEYS
from bridge.evidence.anchors import KIND, STATEMENT
from bridge.evidence.certificate_signature import message_of, signed_field, statement_of
from bridge.evidence.signed_note import PublicKey, note_of, signature_line
from bridge.records.payload_framing import unframe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from bridge.capture.ports import Batch, Outgoing
    from bridge.capture.shard_evidence import EvidenceSettings
    from bridge.capture.time_stamps import TimeStamps


class Signer(Protocol):
    """Signs with an Ed25519 key, which may be another one at the next call."""

    async def sign(self, messages: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        """Return the public key (32 bytes), and its signature of each message. Raises SigningFailed."""


class SigningPreparation:
    """Signs what a batch has of session records and of anchors, all with the same key."""

    def __init__(
        self,
        settings: EvidenceSettings,
        sessions: Collection[str],
        signer: Signer,
        key_list: Callable[[], str],
        stamps: TimeStamps | None = None,
    ) -> None:
        """`sessions` are the topics of session records; `key_list` returns the list of keys or raises SigningFailed."""
        self._settings = settings
        self._signed = frozenset((settings.anchors, *sessions))
        self._signer = signer
        self._key_list = key_list
        self._stamps = stamps
        self._listed: dict[int, bytes] = {}  # by partition: the list that was written last

    async def prepare(self, batch: Batch) -> None:
        """Sign, if there is anything to sign, and add a time stamp that waits. Raises SigningFailed."""
        await self._sign(batch)
        if self._stamps is not None:
            self._stamps.add(batch)

    def committed(self, batch: Batch) -> None:
        """Let heads that were committed be stamped."""
        if self._stamps is not None:
            self._stamps.committed(batch)

    async def _sign(self, batch: Batch) -> None:
        of_interest = [one for one in batch.records if one.topic in self._signed]
        if not of_interest:
            return
        anchors = [one for one in of_interest if one.topic == self._settings.anchors]
        records = [one for one in of_interest if one.topic != self._settings.anchors]
        heads = [one for one in anchors if (KIND, KEYS) not in one.headers]
        texts = [one.value or b"" for one in heads]
        statements = [statement_of(unframe(one.value or b"")[1]) for one in records]
        lists = [one for one in anchors if (KIND, KEYS) in one.headers]
        listed = self._key_list().encode() if lists else b""
        raw, signatures = await self._signer.sign([*texts, *map(message_of, statements)])
        for one in lists:
            if one.value == ALWAYS.encode() or self._listed.get(one.partition) != listed:
                one.value = self._listed[one.partition] = listed
            else:
                batch.records.remove(one)
        for one, text, signature in zip(heads, texts, signatures[: len(heads)], strict=True):
            one.value = _note(text.decode(), raw, signature)
        key = PublicKey(self._settings.name, raw)
        for one, signature in zip(records, signatures[len(heads) :], strict=True):
            _sign(one, key, signature)


def _note(text: str, raw: bytes, signature: bytes) -> bytes:
    """Return a note that is signed by the key under the name of the origin, as logs do."""
    origin = text.split("\n", 1)[0].removesuffix(STATEMENT)
    return note_of(text, [signature_line(PublicKey(origin, raw), signature)])


def _sign(record: Outgoing, key: PublicKey, signature: bytes) -> None:
    """Put the signature in the place of the null that a session record ends in."""
    record.value = (record.value or b"")[:-1] + signed_field(key, signature)
