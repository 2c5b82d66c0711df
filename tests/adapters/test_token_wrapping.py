"""Master keys in a PKCS #11 token: they unwrap what they have wrapped, and nothing else.

The token is that of `test_token_keys.py`.
"""

from __future__ import annotations

import asyncio

import pytest

from bridge.adapters.sealing.token_wrapper import TokenWrapper
from bridge.adapters.signing.token_login import TokenPlace
from bridge.errors import SealingFailed
from bridge.secret_files import secret_in
from tests.adapters.test_master_keys import GIVEN, check_round, unwrapped_by, wrapped_by
from tests.adapters.test_token_keys import LABEL, PIN, SoftToken, configuration, token

FIXTURES = (configuration, token)


def new_aes_key(soft: SoftToken, label: str) -> None:
    session = soft.session()
    session.generate_key(soft.package.KeyType.AES, 256, store=True, label=label)
    session.close()


def token_wrapper(soft: SoftToken, label: str, *former: str) -> TokenWrapper:
    place = TokenPlace(soft.place.module, "audit", label)
    return TokenWrapper(soft.package, place, former, secret_in(str(soft.pin_file)))


def test_a_key_in_a_token_unwraps_what_it_has_wrapped(token: SoftToken) -> None:
    new_aes_key(token, "first")
    new_aes_key(token, "second")
    wrapper = token_wrapper(token, "first")
    keys = check_round(wrapper)
    assert {key.master for key in keys} == {"first"}
    rotated = token_wrapper(token, "second", "first")
    assert unwrapped_by(rotated, [*keys, *wrapped_by(rotated)]) == [key for _, key in GIVEN] * 2
    with pytest.raises(SealingFailed, match="not configured"):
        unwrapped_by(token_wrapper(token, "second"), keys)
    with pytest.raises(SealingFailed, match="NoSuchKey"):
        wrapped_by(token_wrapper(token, "third"))


def test_a_key_that_signs_in_the_same_token_is_not_disturbed_for_long(token: SoftToken) -> None:
    new_aes_key(token, "first")
    wrapper, signer = token_wrapper(token, "first"), token.key(key_label=LABEL)

    async def scene() -> None:
        keys = await wrapper.wrap(GIVEN)
        for _ in range(3):
            await signer.sign([b"message"])
            assert await wrapper.unwrap(keys) == [key for _, key in GIVEN]

    asyncio.run(scene())


def test_a_refused_pin_is_given_to_the_token_once_until_its_file_changes(token: SoftToken) -> None:
    new_aes_key(token, "first")
    token.session().close()
    token.package.lib(token.place.module).reinitialize()  # nobody is logged in
    token.write_pin("0000")
    wrapper = token_wrapper(token, "first")
    with pytest.raises(SealingFailed, match="PinIncorrect"):
        wrapped_by(wrapper)
    for _ in range(5):
        with pytest.raises(SealingFailed, match="not given to it again"):
            wrapped_by(wrapper)
    token.write_pin(PIN)
    check_round(wrapper)
