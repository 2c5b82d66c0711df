"""Builds what signs, and what is signed, from the settings."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.adapters.clock import SystemClock
from bridge.adapters.timestamping.stamp_authority import StampAuthority
from bridge.adapters.timestamping.stamp_checks import StampChecks
from bridge.backoff import Backoff
from bridge.capture.preparation import NothingToPrepare
from bridge.capture.shard_evidence import EvidenceSettings
from bridge.capture.signing import SigningPreparation
from bridge.capture.time_stamps import TimeStamps
from bridge.errors import ConfigError, EnvironmentFault, SigningFailed, VerificationFailed
from bridge.evidence.key_list import parsed_key_list
from bridge.factories import key_name_of
from bridge.output_topics import names_by_output
from bridge.secret_files import FileBacked, reason_of
from bridge.token_factory import token_of

if TYPE_CHECKING:
    from bridge.adapters.kafka.topic_manager import TopicNames
    from bridge.adapters.signing.token_key import TokenKey
    from bridge.capture.ports import Preparation
    from bridge.capture.signing import Signer
    from bridge.config import Config
    from bridge.secrets_watch import SecretsWatch

_US: Final = 1_000_000
_STAMP_PAUSES: Final = (5.0, 300.0)
"""First and longest pause in seconds after a request for a time stamp that failed."""


@dataclass(slots=True, frozen=True)
class WorkerEvidence:
    """What a worker signs with: settings of its shards (None: nothing is signed), and the second step of a commit.

    `kinds` are those of topics that a shard looks at beside others; `seconds` the time between two anchors. `stamps`:
    the time stamps of heads, None where they are not configured.
    """

    settings: EvidenceSettings | None = None
    preparation: Preparation = field(default_factory=NothingToPrepare)
    kinds: tuple[str, ...] = ()
    seconds: float = math.inf
    stamps: TimeStamps | None = None


def evidence_of(config: Config, names: TopicNames, secrets: SecretsWatch) -> WorkerEvidence:
    """Return what a worker signs with; `secrets` get its files. Raises ConfigError when they cannot be used."""
    section = config.evidence
    if not section.signs:
        return WorkerEvidence()
    signer = _signer_of(config, secrets)
    key_list = _ListedKeys(section.key_list_file)
    secrets.add("signing_key_list", key_list.current)
    settings = EvidenceSettings(
        key_name_of(config, names),
        names.leaves,
        names.anchors,
        anchor_us=int(section.anchor_seconds * _US),
        anchor_records=section.anchor_records,
        lists_keys=key_list.current is not None,
    )
    stamps = _stamps_of(config, names, secrets)
    sessions = [one.sessions for one in names_by_output(config).values()]
    preparation = SigningPreparation(settings, sessions, signer, key_list, stamps)
    return WorkerEvidence(settings, preparation, ("leaves", "anchors"), section.anchor_seconds, stamps)


def _stamps_of(config: Config, names: TopicNames, secrets: SecretsWatch) -> TimeStamps | None:
    """Return the time stamps of heads, None where no authority is set. Raises ConfigError when they cannot be made."""
    section, clock = config.evidence, SystemClock()
    if section.timestamp_url is None or section.timestamp_ca_file is None:
        return None
    try:
        checks = StampChecks.with_file(section.timestamp_ca_file, "evidence.timestamp_ca_file")
    except EnvironmentFault as error:
        raise ConfigError(error.message, next_step=error.next_step) from error
    first, longest = _STAMP_PAUSES
    return TimeStamps(
        StampAuthority(section.timestamp_url, checks, clock.now_us, section.timestamp_timeout_seconds),
        anchors=names.anchors,
        checkpoints=names.checkpoints,
        seconds=section.timestamp_seconds,
        backoff=Backoff(random.random, first=first, maximum=longest),
        clock=clock,
        telemetry=secrets.telemetry,
    )


def _signer_of(config: Config, secrets: SecretsWatch) -> Signer:
    """Return what signs, with a key in a file or in a token. Raises ConfigError when it cannot be used."""
    file = config.evidence.signing_key_file
    if file is None:
        key, pin = token_key_of(config)
        secrets.add("pkcs11_pin", pin)
        return key
    from bridge.adapters.signing.file_key import FileKey  # noqa: PLC0415 - only what signs needs `cryptography`

    try:
        signer = FileKey(file)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"evidence.signing_key_file: {file}: {reason_of(error)}",
            next_step="`chatbridge keys new` makes a key",
        ) from error
    secrets.add("signing_key", signer.current)
    return signer


def token_key_of(config: Config, label: str | None = None) -> tuple[TokenKey, FileBacked[str] | None]:
    """Return the key in a token, by default the one that signs, and its PIN if that is in a file.

    The token is not asked for anything yet.

    Raises ConfigError when the package, the module or the file of the PIN is missing.
    """
    from bridge.adapters.signing.token_key import TokenKey  # noqa: PLC0415 - as above

    package, place, pin = token_of("evidence", config.evidence, label)
    return TokenKey(package, place, pin), pin if isinstance(pin, FileBacked) else None


class _ListedKeys:
    """The list of keys in a file, which is published only as long as it is sound."""

    def __init__(self, file: str | None) -> None:
        """Read the file, if there is one. Raises ConfigError when it cannot be used."""
        self._file = file
        try:
            self.current = None if file is None else FileBacked((file,), lambda: read_key_list(file))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"evidence.key_list_file: {file}: {reason_of(error)}", next_step="`chatbridge keys new` writes the list"
            ) from error

    def __call__(self) -> str:
        """Return the list as it is now. Raises SigningFailed when it cannot be used."""
        if self.current is None:
            return ""
        text = self.current()
        if self.current.error is not None:
            raise SigningFailed(
                f"the list of keys in {self._file} cannot be used: {reason_of(self.current.error)}",
                next_step="`chatbridge keys new` writes the list; what was captured waits for it",
            )
        return text


def read_key_list(file: str) -> str:
    """Return the list of keys in a file. Raises OSError when it cannot be read, ValueError when it is not sound."""
    text = Path(file).read_text("utf-8")
    try:
        if not parsed_key_list(text):
            raise ValueError("the list is empty")
    except VerificationFailed as error:
        raise ValueError(error.message) from error
    return text
