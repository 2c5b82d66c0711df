"""Builds redactors from the settings of rules and keys, and gives them a key that has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.records.pseudonyms import HashKey
from bridge.records.redactor import Redactor
from bridge.records.rules import Rule
from bridge.secret_files import FileBacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bridge.config import PrivacyRule, PrivacySettings
    from bridge.secrets_watch import SecretsWatch


def redactor_with(privacy: PrivacySettings, rules: Iterable[PrivacyRule], *, typing_previews: bool) -> Redactor:
    """Return what applies these rules; `typing_previews`: whether what people type and have not sent is kept.

    Raises ConfigError naming every invalid rule, OSError or ValueError when the file of a key cannot be read now.
    """
    key = next((_key(name, give) for name, give in privacy.key_sources()), None)
    return Redactor([_rule(rule) for rule in rules], key, typing_previews=typing_previews)


def hash_keys_of(privacy: PrivacySettings) -> list[HashKey]:
    """Return all keys of pseudonyms, the one that makes them first. Raises OSError or ValueError."""
    return [_key(name, give) for name, give in privacy.key_sources()]


def watch_hash_key(privacy: PrivacySettings, redactors: Sequence[Redactor], secrets: SecretsWatch) -> None:
    """Give the redactors the key that makes pseudonyms, now and when its file changes. Raises OSError or ValueError."""
    name, give = next(iter(privacy.key_sources()), (None, None))
    if not isinstance(give, FileBacked):
        return

    def apply() -> None:
        key = _key(name, give)
        for redactor in redactors:
            redactor.take_key(key)

    apply()  # the file may have changed since the redactors were made
    secrets.add("hash_key", give, apply)


def _key(name: str | None, give: Callable[[], str]) -> HashKey:
    return HashKey(name, give().encode())


def _rule(rule: PrivacyRule) -> Rule:
    return Rule(
        name=rule.name,
        attribute=rule.attribute,
        detector=rule.detector,
        pattern=rule.pattern,
        action=rule.action,
        mask=rule.mask,
        group=rule.group,
    )
