"""The public keys that a command is given, and what they prove of session records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.errors import EnvironmentFault, VerificationFailed
from bridge.evidence.certificate_signature import check_signature
from bridge.evidence.key_list import parsed_key_list
from bridge.evidence.signed_note import parsed_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bridge.evidence.signed_note import PublicKey

_NOTE_MARK: Final = "— "


def keys_in(path: Path) -> list[PublicKey]:
    """Return the keys of a file: a published list, or one key in each line. Raises EnvironmentFault."""
    try:
        text = path.read_text(encoding="utf-8")
        if any(line.startswith(_NOTE_MARK) for line in text.splitlines()):
            found = [listed.key for listed in parsed_key_list(text)]
        else:
            found = [parsed_key(line.strip()) for line in text.splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentFault(f"{path} cannot be read: {type(error).__name__}") from error
    except VerificationFailed as error:
        raise EnvironmentFault(f"{path}: {error.message}", next_step="it is to hold public keys, one a line") from error
    if not found:
        raise EnvironmentFault(f"{path} holds no key")
    return found


class SignatureChecks:
    """Checks each session record with keys that are known; `signed` counts those that are right."""

    def __init__(self, keys: Sequence[PublicKey]) -> None:
        """Begin with nothing checked."""
        self._keys = keys
        self.signed = 0

    def __call__(self, payload: bytes, record: dict[str, Any], _: int | None) -> str | None:
        """Return what is wrong; None when a known key has signed the record."""
        try:
            check_signature(payload, record["signature"], self._keys)
        except VerificationFailed as error:
            return error.message
        self.signed += 1
        return None
