"""Builds what recognises the people of chats, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.records.subjects import Subjects

if TYPE_CHECKING:
    from bridge.config import Config


def subjects_of(config: Config) -> Subjects:
    """Return what `privacy.subjects` and the keys of pseudonyms mean; nothing is recognised without paths."""
    privacy = config.privacy
    if not privacy.subjects or privacy.hash_key is None:
        return Subjects()
    return Subjects(privacy.subjects, [(None, privacy.hash_key.get_secret_value().encode())])
