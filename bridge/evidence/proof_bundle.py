"""A proof in a file: one JSON object that says by itself that a certificate is in a log, for whoever has a public key.

record       the certificate's SessionRecord up to its signature, base64: the content of the leaf
signature    keyId and signature (base64) of the record; null where it is not signed
origin, index, inclusion    where the leaf is, and the proof (list of base64)
checkpoint   the signed head, as text
earlier, consistency        an earlier signed head, and the proof that the log has grown from it; both may be null
stamped      null, or a signed head with a time stamp: checkpoint, inclusion, and reply (RFC 3161, base64 of DER)
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.errors import VerificationFailed
from bridge.evidence.anchors import parsed_tree_head
from bridge.evidence.certificate_signature import message_of
from bridge.evidence.merkle import leaf_hash
from bridge.evidence.proofs import check_consistency, check_inclusion
from bridge.evidence.signed_note import parsed_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.evidence.anchors import TreeHead
    from bridge.evidence.log_stamps import StampCheck
    from bridge.evidence.signed_note import PublicKey


@dataclass(slots=True, frozen=True)
class StampProof:
    """A signed head with a time stamp: the note, the proof of the leaf in it, and the reply of the authority."""

    checkpoint: bytes
    inclusion: list[bytes]
    reply: bytes


@dataclass(slots=True, frozen=True)
class ProofBundle:
    """The content of the file; `signed_by` is the `keyId` of the signature, empty where there is none."""

    record: bytes
    origin: str
    index: int
    inclusion: list[bytes]
    checkpoint: bytes
    signed_by: str = ""
    signature: bytes = b""
    earlier: bytes = b""
    consistency: list[bytes] = field(default_factory=list)
    stamped: StampProof | None = None

    def text(self) -> str:
        """Return the file's text."""
        signature = {"keyId": self.signed_by, "signature": _text(self.signature)} if self.signed_by else None
        return json.dumps(
            {
                "record": _text(self.record),
                "signature": signature,
                "origin": self.origin,
                "index": self.index,
                "inclusion": [_text(one) for one in self.inclusion],
                "checkpoint": self.checkpoint.decode(),
                "earlier": self.earlier.decode() if self.earlier else None,
                "consistency": [_text(one) for one in self.consistency] if self.earlier else None,
                "stamped": None
                if self.stamped is None
                else {
                    "checkpoint": self.stamped.checkpoint.decode(),
                    "inclusion": [_text(one) for one in self.stamped.inclusion],
                    "reply": _text(self.stamped.reply),
                },
            },
            indent=1,
            ensure_ascii=False,
        )

    def check(self, keys: Sequence[PublicKey]) -> TreeHead:
        """Check everything but the time stamp with these keys; return the head. Raises VerificationFailed."""
        if self.signed_by:
            key = next((one for one in keys if one.key_id == self.signed_by), None)
            if key is None:
                raise VerificationFailed(f"the record is signed with an unknown key: {self.signed_by}")
            if not key.verifies(message_of(self.record), self.signature):
                raise VerificationFailed(f"the signature of {self.signed_by} is not valid")
        head = self._head(self.checkpoint, keys)
        check_inclusion(leaf_hash(self.record), self.index, head.size, self.inclusion, head.root)
        if self.earlier:
            earlier = self._head(self.earlier, keys)
            check_consistency(earlier.size, head.size, self.consistency, earlier.root, head.root)
        if self.stamped is not None:
            stamped = self._head(self.stamped.checkpoint, keys)
            check_inclusion(leaf_hash(self.record), self.index, stamped.size, self.stamped.inclusion, stamped.root)
        return head

    def stamped_at(self, check: StampCheck) -> int | None:
        """Return since when the certificate was in the log, in us since 1970 UTC; None without a time stamp.

        Raises VerificationFailed.
        """
        return None if self.stamped is None else check(self.stamped.reply, self.stamped.checkpoint)

    def _head(self, value: bytes, keys: Sequence[PublicKey]) -> TreeHead:
        note = parsed_note(value)
        note.signed_by([one.named(self.origin) for one in keys])
        head = parsed_tree_head(note.text)
        if head.origin != self.origin:
            raise VerificationFailed(f"a head of {head.origin}, not of {self.origin}")
        return head


def parsed_bundle(text: str) -> ProofBundle:
    """Return the proof in a file. Raises VerificationFailed."""
    try:
        found = json.loads(text)
        stamped = found.get("stamped")
        signature = found["signature"] or {"keyId": "", "signature": ""}
        return ProofBundle(
            record=_bytes(found["record"]),
            origin=str(found["origin"]),
            index=int(found["index"]),
            inclusion=[_bytes(one) for one in found["inclusion"]],
            checkpoint=str(found["checkpoint"]).encode(),
            signed_by=str(signature["keyId"]),
            signature=_bytes(signature["signature"]),
            earlier=(found["earlier"] or "").encode(),
            consistency=[_bytes(one) for one in found["consistency"] or []],
            stamped=None if stamped is None else _stamp_proof(stamped),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise VerificationFailed("the file is no proof of a certificate") from error


def _stamp_proof(found: dict[str, Any]) -> StampProof:
    inclusion = [_bytes(one) for one in found["inclusion"]]
    return StampProof(str(found["checkpoint"]).encode(), inclusion, _bytes(found["reply"]))


def _text(value: bytes) -> str:
    return b64encode(value).decode()


def _bytes(value: str) -> bytes:
    return b64decode(value, validate=True)
