"""A token that does not answer: the event loop goes on, and nobody waits for it without end."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.adapters.signing import token_login
from bridge.adapters.signing.token_key import TokenKey
from bridge.adapters.signing.token_login import TokenPlace
from bridge.errors import SigningFailed


class UnusableToken(RuntimeError):
    """In the place of the base class of the errors of PKCS #11."""


class HangingPackage:
    """In the place of python-pkcs11: loading a module hangs until it is told to fail."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.fails = threading.Event()
        self.package = SimpleNamespace(PKCS11Error=UnusableToken, lib=self._lib)

    def key(self) -> TokenKey:
        return TokenKey(self.package, TokenPlace("/token.so", "audit", "evidence"), lambda: "4321")

    def _lib(self, _module: str) -> Any:
        self.asked.set()
        self.fails.wait()
        raise UnusableToken("gone")


def test_the_event_loop_goes_on_while_a_token_is_asked() -> None:
    hanging = HangingPackage()

    async def go_on() -> None:
        signing = asyncio.create_task(hanging.key().sign([b"message"]))
        await asyncio.to_thread(hanging.asked.wait)
        assert not signing.done()
        hanging.fails.set()  # a loop that waits for the token never gets here
        with pytest.raises(SigningFailed, match="gone"):
            await signing

    asyncio.run(go_on())


def test_a_token_that_does_not_answer_in_time_signs_nothing_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_login, "ANSWER_SECONDS", 0.01)
    hanging = HangingPackage()
    key = hanging.key()
    for _ in range(2):
        with pytest.raises(SigningFailed, match="does not answer"):
            asyncio.run(key.sign([b"message"]))
    hanging.fails.set()


def test_a_call_that_is_abandoned_leaves_the_key_usable() -> None:
    hanging = HangingPackage()
    key = hanging.key()

    async def abandon() -> None:
        signing = asyncio.create_task(key.sign([b"message"]))
        await asyncio.to_thread(hanging.asked.wait)
        signing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await signing
        hanging.fails.set()
        with pytest.raises(SigningFailed, match="gone"):
            await key.sign([b"message"])

    asyncio.run(abandon())
