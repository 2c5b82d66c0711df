"""Builds what reaches a key in a PKCS #11 token, from the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bridge.adapters.signing.token_login import TokenPlace
from bridge.errors import ConfigError
from bridge.optional_packages import optional_package
from bridge.secret_files import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bridge.config.evidence_settings import EvidenceSection
    from bridge.config.sealing_settings import SealingSettings


def token_of(
    name: str, section: EvidenceSection | SealingSettings, label: str | None = None
) -> tuple[Any, TokenPlace, Callable[[], str]]:
    """Return the package, the place of a key, by default that of the settings, and what gives the PIN.

    `name` is that of the section. The token is not asked for anything yet. Raises ConfigError when the package, the
    module or the file of the PIN is missing.
    """
    place = TokenPlace(section.pkcs11_module or "", section.pkcs11_token or "", label or section.pkcs11_key_label or "")
    setting = f"{name}.pkcs11_module"
    package = optional_package("pkcs11", setting=setting, what="the package for PKCS #11 is", extra="pkcs11")
    if not Path(place.module).is_file():
        raise ConfigError(f"{setting}: {place.module}: no such file", next_step="install the library of the token")
    try:
        return package, place, section.pin()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{name}.pkcs11_pin_file: {section.pkcs11_pin_file}: {reason_of(error)}",
            next_step="write the PIN of the token's user to the file",
        ) from error
