"""Master keys in a PKCS #11 token: AES with 256 bits; the token wraps, and the keys never leave it.

The data key is encrypted by CKM_AES_GCM, in the same form as with a key in a file. The id of a master key is its label.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.adapters.sealing.file_wrapper import NONCE_BYTES, bound_to, damaged
from bridge.adapters.signing.token_login import PIN_REFUSED, TokenLogin
from bridge.errors import SealingFailed
from bridge.sealing.data_keys import WrappedKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.adapters.signing.token_login import PresentPin, TokenPlace

    _Result = TypeVar("_Result")

_TAG_BITS: Final = 128
_ALTERED: Final = frozenset({"EncryptedDataInvalid", "EncryptedDataLenRange", "GeneralError"})
"""Errors of tokens whose tag does not fit; the standard leaves the choice to them."""


class TokenWrapper:
    """The `KeyWrapper` with master keys in a token, found by their labels at each call.

    A key that signs may be in the same token: a login of the process is shared, and one that was lost is made anew. A
    PIN that the token has refused is given again only after its file has changed.
    """

    def __init__(self, package: Any, place: TokenPlace, former: Sequence[str], pin: Callable[[], str]) -> None:
        """`package` is that of python-pkcs11; `former` are labels of keys that only unwrap. Nothing is asked yet."""
        self._package = package
        self._place = place
        self._labels = (place.key_label, *former)
        self._login = TokenLogin(package, place, pin, self._failed)
        self._open: tuple[Any, int] | None = None  # a session, and the module's generation

    async def wrap(self, keys: Sequence[tuple[str, bytes]]) -> list[WrappedKey]:
        """Wrap with the key of the configured label. Raises SealingFailed."""

        def work(session: Any) -> list[WrappedKey]:
            master = self._key(session, self._place.key_label)
            found = []
            for name, key in keys:
                nonce = os.urandom(NONCE_BYTES)
                wrapped = nonce + bytes(master.encrypt(key, **self._mechanism(nonce, name)))
                found.append(WrappedKey(name, self._place.key_label, wrapped))
            return found

        return await self._login.asked(lambda pin: self._tried(work, pin))

    async def unwrap(self, keys: Sequence[WrappedKey]) -> list[bytes]:
        """Unwrap with whichever key wrapped each. Raises SealingFailed."""

        def work(session: Any) -> list[bytes]:
            masters = {label: self._key(session, label) for label in {key.master for key in keys}}
            return [self._unwrapped(masters[key.master], key) for key in keys]

        return await self._login.asked(lambda pin: self._tried(work, pin))

    def _unwrapped(self, master: Any, key: WrappedKey) -> bytes:
        nonce, sealed = key.wrapped[:NONCE_BYTES], key.wrapped[NONCE_BYTES:]
        try:
            return bytes(master.decrypt(sealed, **self._mechanism(nonce, key.name)))
        except self._package.PKCS11Error as error:
            if type(error).__name__ in _ALTERED:
                raise damaged(key) from error
            raise

    def _mechanism(self, nonce: bytes, name: str) -> dict[str, Any]:
        param = self._package.GCMParams(nonce, bound_to(name), _TAG_BITS)
        return {"mechanism": self._package.Mechanism.AES_GCM, "mechanism_param": param}

    def _key(self, session: Any, label: str) -> Any:
        if label not in self._labels:
            raise SealingFailed(
                f"a data key is wrapped with the master key {label}, which is not configured",
                next_step="add its label to sealing.former_pkcs11_key_labels",
            )
        package = self._package
        return session.get_key(object_class=package.ObjectClass.SECRET_KEY, key_type=package.KeyType.AES, label=label)

    # --- the token -----------------------------------------------------------------------------------------------

    def _tried(self, work: Callable[[Any], _Result], pin: PresentPin) -> _Result:
        """Work with the session that there is; without one, or when it is lost, with another one.

        The module is initialised again only if nothing else helps: that ends the sessions of others.
        """
        try:
            return work(self._session(pin, anew=False))
        except self._package.PKCS11Error as error:
            self._open = None
            if type(error).__name__ in PIN_REFUSED:
                raise
        return work(self._session(pin, anew=True))

    def _session(self, pin: PresentPin, *, anew: bool) -> Any:
        if not anew and self._open is not None and self._open[1] == self._login.generation:
            return self._open[0]
        self._open = None
        session = self._login.session(pin, anew=anew)
        self._open = session, self._login.generation
        return session

    def _failed(self, reason: str) -> SealingFailed:
        return SealingFailed(
            f"the master key in the PKCS #11 token {self._place.token} cannot be used: {reason}",
            next_step="look at the token, the label of the key and the PIN (write its file again after a refusal); "
            "what was captured waits for it",
        )
