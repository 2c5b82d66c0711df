"""What the settings of all PKCS #11 tokens have in common: they are set together, and the PIN may be in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.config.section import secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr, ValidationInfo

_BEFORE = ("pkcs11_module", "pkcs11_token", "pkcs11_key_label", "pkcs11_pin_file")


def whole_token(value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    """Validate `pkcs11_pin`, the last field about a token of a section. Raises ValueError unless all or none is set."""
    if not all(name in info.data for name in _BEFORE):
        return value  # one of them has been reported
    module, token, key_label, file = (info.data[name] for name in _BEFORE)
    found = [each is not None for each in (module, token, key_label, value or file)]
    if any(found) and not all(found):
        raise ValueError("pkcs11_module, pkcs11_token, pkcs11_key_label, and pkcs11_pin or pkcs11_pin_file go together")
    return value


def present_pin(pin: SecretStr | None, file: str | None) -> Callable[[], str]:
    """Return what gives the present PIN of a token. Raises OSError or ValueError."""
    given = secret(pin, file)
    if given is None:
        raise ValueError("no PIN is set")
    return given
