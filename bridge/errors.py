"""Every exception the bridge raises on purpose: whose fault it is, whether trying again may help, the exit code.

```
BridgeError
├── ConfigError            caller       exit 2   a setting is wrong; every problem is in one message
├── UsageError             caller       exit 2   a command was called with words that do not fit
├── EnvironmentFault       environment  exit 3   something the bridge stands on is missing or refuses
│   ├── KafkaUnavailable                         (retryable)
│   │   └── AnnouncementsNotWritten              says how many were
│   ├── RegistryUnavailable                      (retryable)
│   ├── RegistryRefused                          schema incompatible, subject locked, no credentials
│   └── TopicMismatch                            a topic exists in a shape the bridge cannot use
├── PeerError              peer         exit 1   what came in is not what the protocol says
│   ├── UnreadableMessage                        one line of a wire
│   ├── FrameTooLong                             one line longer than the limit
│   ├── UnreadableTranscript                     a stored transcript (file, line, reason)
│   └── UnreadableAnnouncement                   one record of the announcements topic
├── AttributesTooDeep      peer         exit 1   a KeyValueCollection nested beyond the limit
├── IllegalTransition      bridge       exit 1   a state machine was given an input that its state lacks: a defect
├── ShardFenced            environment  exit 1   another worker owns this shard now
└── VerificationFailed     peer         exit 1   the topic does not hold what the certificate says
```
"""

from __future__ import annotations

import traceback
from typing import ClassVar, Literal

Fault = Literal["caller", "peer", "environment", "bridge"]

EXIT_OK = 0
EXIT_RUNTIME = 1
EXIT_CONFIGURATION = 2
EXIT_ENVIRONMENT = 3
EXIT_SIGNAL_BASE = 128


class BridgeError(Exception):
    """Base of all. `message` says what happened; `next_step`, when there is one, what the reader can do."""

    fault: ClassVar[Fault] = "bridge"
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = EXIT_RUNTIME

    def __init__(self, message: str, *, next_step: str = "") -> None:
        """Keep the two parts apart, so that a command can print them on two lines."""
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        """Both parts on one line."""
        return f"{self.message} ({self.next_step})" if self.next_step else self.message


class ConfigError(BridgeError):
    """One or more settings are wrong; found before any socket opens."""

    fault = "caller"
    exit_code = EXIT_CONFIGURATION


class UsageError(BridgeError):
    """A command's arguments do not fit together."""

    fault = "caller"
    exit_code = EXIT_CONFIGURATION


class EnvironmentFault(BridgeError):
    """Something outside the bridge is missing or refuses: a broker, a registry, Java, a file."""

    fault = "environment"
    exit_code = EXIT_ENVIRONMENT


class KafkaUnavailable(EnvironmentFault):
    """No broker answers, or the one that does is not able to serve us now."""

    retryable = True


class AnnouncementsNotWritten(KafkaUnavailable):
    """Kafka acknowledged only the first `accepted` announcements of a list; it may hold some of the others, too."""

    def __init__(self, message: str, *, accepted: int, next_step: str = "") -> None:
        """`accepted` counts from the beginning of the list."""
        super().__init__(message, next_step=next_step)
        self.accepted = accepted


class RegistryUnavailable(EnvironmentFault):
    """The schema registry does not answer, or answers with a server error."""

    retryable = True


class RegistryRefused(EnvironmentFault):
    """The schema registry answered and said no: incompatible schema, missing rights."""


class TopicMismatch(EnvironmentFault):
    """A topic exists with a partition count or policy that would break a promise."""


class PeerError(BridgeError):
    """What the other side sent is not what its protocol says."""

    fault = "peer"


class UnreadableMessage(PeerError):
    """A complete line that is no message: not UTF-8, no JSON, or values of wrong types."""


class FrameTooLong(PeerError):
    """A line longer than the frame limit; its beginning is kept for the quarantine."""


class UnreadableTranscript(PeerError):
    """A stored transcript that cannot be read: names the source, the line and the reason."""

    def __init__(self, source: str, line: int, reason: str) -> None:
        """`line` counts from 1; 0 when the document as a whole is meant."""
        super().__init__(f"{source}:{line}: {reason}")
        self.source = source
        self.line = line
        self.reason = reason


class UnreadableAnnouncement(PeerError):
    """A record on the announcements topic (or a POST body) that is no announcement."""


class AttributesTooDeep(PeerError):
    """A KeyValueCollection is nested deeper than the bridge follows."""


class IllegalTransition(BridgeError):
    """A state machine was given an input that its state does not have: a defect of the bridge."""


class ShardFenced(BridgeError):
    """Another worker initialised this shard's transactional id and owns the shard now."""

    fault = "environment"


class VerificationFailed(BridgeError):
    """A chain, a sequence or an id on the topic is not what it must be."""

    fault = "peer"


def places(error: BaseException) -> tuple[str, ...]:
    """Return where an unexpected error came through, outermost first, without its text, which may quote a chat (P5)."""
    return tuple(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__))
