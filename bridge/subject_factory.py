"""Builds what recognises the people of chats, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.errors import ConfigError
from bridge.records.subjects import Subjects
from bridge.redactor_factory import hash_keys_of
from bridge.secret_files import reason_of

if TYPE_CHECKING:
    from bridge.config import Config


def recognised_subjects(config: Config) -> Subjects:
    """Return what `privacy.subjects` and the keys of pseudonyms, as they are now, mean.

    Without paths nobody is recognised. Raises ConfigError when a file with a key cannot be read.
    """
    privacy = config.privacy
    if not privacy.subjects:
        return Subjects()
    try:
        keys = [(one.id, one.key) for one in hash_keys_of(privacy)]
    except (OSError, ValueError) as error:
        raise ConfigError(f"privacy.hash_keys: {reason_of(error)}") from error
    return Subjects(privacy.subjects, keys)
