"""What all keys in PKCS #11 tokens have in common: the module, the PIN, the limit of time, and what went wrong.

The package python-pkcs11 is the optional extra `pkcs11`, and is imported only when a token is configured.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from bridge.driver_threads import in_thread
from bridge.secret_files import FileBacked, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.errors import BridgeError

    _Result = TypeVar("_Result")

ANSWER_SECONDS: Final = 30.0
"""How long one call may take, with those before it: longer than a token needs, shorter than a transaction may last."""
PIN_REFUSED: Final = frozenset({"PinExpired", "PinIncorrect", "PinInvalid", "PinLenRange", "PinLocked"})
"""Errors after which the same PIN is not given again: tokens count, and lock themselves."""


@dataclass(slots=True, frozen=True)
class TokenPlace:
    """Where a key is: path of the token's module (a shared library), label of the token, label of the key's objects."""

    module: str
    token: str
    key_label: str


class PresentPin(NamedTuple):
    """A PIN, and how often its file had changed by then."""

    value: str
    changes: int


class _Module:
    """The library of a token, which all keys of a process share that are in tokens of its kind.

    One thread at a time uses it, and holds `lock`. To initialise it again ends all sessions: what was opened under
    another `generation` is not to be used any more.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.generation = 0


_modules: Final[dict[str, _Module]] = {}


class TokenLogin:
    """Asks a token with the PIN of its user. A PIN that it has refused is given again only after its file changed."""

    def __init__(
        self, package: Any, place: TokenPlace, pin: Callable[[], str], failed: Callable[[str], BridgeError]
    ) -> None:
        """`package` is that of python-pkcs11; `failed` makes the error that says why the key cannot be used.

        The token is not asked for anything yet: a refused PIN at the start of the process would end it, and whatever
        starts it again would give the PIN again.
        """
        self._package = package
        self._place = place
        self._pin = pin
        self._failed = failed
        self._module = _modules.setdefault(place.module, _Module())
        self._refused: PresentPin | None = None  # with the name of the error in the place of the PIN

    @property
    def generation(self) -> int:
        """What sessions belong to that can be used now."""
        return self._module.generation

    async def asked(self, work: Callable[[PresentPin], _Result]) -> _Result:
        """Do work in a thread, after that of others with the module. Raises what `failed` makes of its errors."""
        pin = PresentPin(self._pin(), 0)
        if isinstance(self._pin, FileBacked):
            pin = pin._replace(changes=self._pin.changes)
            if self._pin.error is not None:
                raise self._failed(f"the file with its PIN cannot be used: {reason_of(self._pin.error)}")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await in_thread("pkcs11", lambda: self._locked(work, pin))
        except TimeoutError as error:
            raise self._failed("it does not answer") from error

    def _locked(self, work: Callable[[PresentPin], _Result], pin: PresentPin) -> _Result:
        if not self._module.lock.acquire(timeout=ANSWER_SECONDS):
            raise TimeoutError
        try:
            return work(pin)
        except self._package.PKCS11Error as error:
            raise self._failed(_words_of(error)) from error
        finally:
            self._module.lock.release()

    def session(self, pin: PresentPin, *, anew: bool) -> Any:
        """Return a session of the user. To be called by `work`; raises the package's errors.

        With `anew` the module is initialised again, which ends the sessions of others: the token may have been away, or
        be in another slot.
        """
        if self._refused is not None and self._refused.changes == pin.changes:
            raise self._failed(f"it refused the PIN ({self._refused.value}), which is not given to it again")
        self._refused = None
        library = self._package.lib(self._place.module)
        if anew:
            self._module.generation += 1
            library.reinitialize()
        token = library.get_token(token_label=self._place.token)
        try:
            return token.open(user_pin=pin.value)
        except self._package.PKCS11Error as error:
            name = type(error).__name__
            if name == "UserAlreadyLoggedIn":  # for another key of this process
                return token.open()
            if name in PIN_REFUSED:
                self._refused = PresentPin(name, pin.changes)
            raise


def _words_of(error: Exception) -> str:
    """Return the name of the error of PKCS #11, and what the package says about it."""
    name, said = type(error).__name__, str(error)
    return f"{name} ({said})" if said else name
