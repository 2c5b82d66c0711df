"""A signing key in a PKCS #11 token: Ed25519; the token signs, and the private key never leaves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bridge.adapters.signing.token_login import TokenLogin
from bridge.errors import SigningFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.adapters.signing.token_login import PresentPin, TokenPlace

_KEY_BYTES: Final = 32
_OCTET_STRING: Final = bytes((0x04, _KEY_BYTES))  # PKCS #11 3.0, 2.3.5: CKA_EC_POINT may be DER, or the bytes alone


@dataclass(slots=True, frozen=True)
class _OpenKey:
    """A private key in a session that is logged in, its public key (32 bytes), and the module's generation."""

    private: Any
    raw: bytes
    generation: int


class TokenKey:
    """The `Signer` with the key in a token.

    A key that was deleted in the token, or has another label, does not sign; what has its label then is looked for at
    the next call. A PIN that the token has refused is given again only after its file has changed.
    """

    def __init__(self, package: Any, place: TokenPlace, pin: Callable[[], str]) -> None:
        """`package` is that of python-pkcs11; `pin` gives the PIN of the user. Nothing is asked yet."""
        self._package = package
        self._place = place
        self._login = TokenLogin(package, place, pin, self._failed)
        self._open: _OpenKey | None = None

    async def sign(self, messages: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        """Sign with the key that the token holds now. Raises SigningFailed when that is not possible."""
        return await self._login.asked(lambda pin: self._sign(messages, pin))

    def _sign(self, messages: Sequence[bytes], pin: PresentPin) -> tuple[bytes, list[bytes]]:
        key, self._open = self._open, None  # whatever fails, the next call begins anew
        if key is None or key.generation != self._login.generation:
            key = self._find(self._login.session(pin, anew=True))
        signatures = self._signatures(key, messages)
        self._open = key
        return key.raw, signatures

    def _find(self, session: Any) -> _OpenKey:
        package, label = self._package, self._place.key_label
        wanted = {"label": label, "key_type": package.KeyType.EC_EDWARDS}
        private = session.get_key(object_class=package.ObjectClass.PRIVATE_KEY, **wanted)
        public = session.get_key(object_class=package.ObjectClass.PUBLIC_KEY, **wanted)
        raw = bytes(public[package.Attribute.EC_POINT])
        raw = raw.removeprefix(_OCTET_STRING) if len(raw) > _KEY_BYTES else raw
        if len(raw) != _KEY_BYTES:
            raise self._failed(f"{label} is not an Ed25519 key")
        return _OpenKey(private, raw, self._login.generation)

    def _signatures(self, key: _OpenKey, messages: Sequence[bytes]) -> list[bytes]:
        package, label = self._package, self._place.key_label
        if key.private[package.Attribute.LABEL] != label:
            raise self._failed(f"the key that was {label} has another label")
        signatures = [bytes(key.private.sign(one, mechanism=package.Mechanism.EDDSA)) for one in messages]
        verifier = Ed25519PublicKey.from_public_bytes(key.raw)
        try:
            for one, signature in zip(messages, signatures, strict=True):
                verifier.verify(signature, one)
        except InvalidSignature as error:  # two halves of different pairs that share a label
            raise self._failed(f"the public key {label} does not go with the private one") from error
        return signatures

    def _failed(self, reason: str) -> SigningFailed:
        return SigningFailed(
            f"the signing key in the PKCS #11 token {self._place.token} cannot be used: {reason}",
            next_step="look at the token, the label of the key and the PIN (write its file again after a refusal); "
            "what was captured waits for it",
        )
