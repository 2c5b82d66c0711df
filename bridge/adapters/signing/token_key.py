"""A signing key in a PKCS #11 token: Ed25519; the token signs, and the private key never leaves it.

The package python-pkcs11 is the optional extra `pkcs11`, and is imported only when a token is configured.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bridge.driver_threads import in_thread
from bridge.errors import ConfigError, SigningFailed
from bridge.secret_files import FileBacked, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ANSWER_SECONDS: Final = 30.0
"""How long one call may take, with those before it: longer than a token needs, shorter than a transaction may last."""
PIN_REFUSED: Final = frozenset({"PinExpired", "PinIncorrect", "PinInvalid", "PinLenRange", "PinLocked"})
"""Errors after which the same PIN is not given again: tokens count, and lock themselves."""
_KEY_BYTES: Final = 32
_OCTET_STRING: Final = bytes((0x04, _KEY_BYTES))  # PKCS #11 3.0, 2.3.5: CKA_EC_POINT may be DER, or the bytes alone


class TokenModule:
    """The library of a token, which all keys of a process share that are in tokens of its kind.

    One thread at a time uses it, and holds `lock`. To initialise it again ends all sessions: what was opened under
    another `generation` is not to be used any more.
    """

    def __init__(self) -> None:
        """Begin with the first generation."""
        self.lock = threading.Lock()
        self.generation = 0

    def initialize_again(self, library: Any) -> None:
        """End all sessions."""
        self.generation += 1
        library.reinitialize()


_modules: Final[dict[str, TokenModule]] = {}


def module_of(path: str) -> TokenModule:
    """Return what the process shares of the library at this path."""
    return _modules.setdefault(path, TokenModule())


def installed_package(setting: str = "evidence.pkcs11_module") -> Any:
    """Return the package `pkcs11`, which a setting needs. Raises ConfigError when it is not installed."""
    try:
        return importlib.import_module("pkcs11")
    except ImportError as error:
        raise ConfigError(
            f"{setting}: the package for PKCS #11 is not installed",
            next_step="pip install 'chatbridge[pkcs11]'",
        ) from error


@dataclass(slots=True, frozen=True)
class TokenPlace:
    """Where a key is: path of the token's module (a shared library), label of the token, label of both key objects."""

    module: str
    token: str
    key_label: str


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
        """`package` is that of python-pkcs11; `pin` gives the PIN of the user. The token is not asked for anything yet.

        A refused PIN at the start of the process would end it, and whatever starts it again would give the PIN again.
        """
        self._package = package
        self._place = place
        self._pin = pin
        self._module = module_of(place.module)
        self._open: _OpenKey | None = None
        self._refused: tuple[int, str] | None = None  # how often the PIN's file had changed; name of the error

    async def sign(self, messages: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        """Sign with the key that the token holds now. Raises SigningFailed when that is not possible."""
        pin, changes = self._pin(), 0
        if isinstance(self._pin, FileBacked):
            changes = self._pin.changes
            if self._pin.error is not None:
                raise self._failed(f"the file with its PIN cannot be used: {reason_of(self._pin.error)}")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await in_thread("pkcs11", lambda: self._sign(messages, pin, changes))
        except TimeoutError as error:
            raise self._failed("it does not answer") from error

    def _sign(self, messages: Sequence[bytes], pin: str, changes: int) -> tuple[bytes, list[bytes]]:
        if not self._module.lock.acquire(timeout=ANSWER_SECONDS):
            raise TimeoutError
        key, self._open = self._open, None  # whatever fails, the next call begins anew
        try:
            if key is None or key.generation != self._module.generation:
                key = self._find(self._log_in(pin, changes))
            signatures = self._signatures(key, messages)
        except self._package.PKCS11Error as error:
            raise self._failed(words_of(error)) from error
        else:
            self._open = key
            return key.raw, signatures
        finally:
            self._module.lock.release()

    def _log_in(self, pin: str, changes: int) -> Any:
        """Return a session. The module is initialised again: the token may have been away, or be in another slot."""
        if self._refused is not None and self._refused[0] == changes:
            raise self._failed(f"it refused the PIN ({self._refused[1]}), which is not given to it again")
        self._refused = None
        library = self._package.lib(self._place.module)
        self._module.initialize_again(library)
        token = library.get_token(token_label=self._place.token)
        try:
            return token.open(user_pin=pin)
        except self._package.PKCS11Error as error:
            if type(error).__name__ in PIN_REFUSED:
                self._refused = (changes, type(error).__name__)
            raise

    def _find(self, session: Any) -> _OpenKey:
        package, label = self._package, self._place.key_label
        wanted = {"label": label, "key_type": package.KeyType.EC_EDWARDS}
        private = session.get_key(object_class=package.ObjectClass.PRIVATE_KEY, **wanted)
        public = session.get_key(object_class=package.ObjectClass.PUBLIC_KEY, **wanted)
        raw = bytes(public[package.Attribute.EC_POINT])
        raw = raw.removeprefix(_OCTET_STRING) if len(raw) > _KEY_BYTES else raw
        if len(raw) != _KEY_BYTES:
            raise self._failed(f"{label} is not an Ed25519 key")
        return _OpenKey(private, raw, self._module.generation)

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


def words_of(error: Exception) -> str:
    """Return the name of the error of PKCS #11, and what the package says about it."""
    name, said = type(error).__name__, str(error)
    return f"{name} ({said})" if said else name
