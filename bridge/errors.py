"""Every exception the bridge raises on purpose: whose fault it is, whether a retry may help, the exit code.

```
BridgeError
├── ConfigError            caller       exit 2   a setting is wrong; every problem is in one message
├── UsageError             caller       exit 2   arguments of a command do not fit together
├── EnvironmentFault       environment  exit 3   an external dependency is missing or refuses
│   ├── KafkaUnavailable                         (retryable)
│   │   ├── AnnouncementsNotWritten              `accepted`: how many were
│   │   ├── PlaceTaken                           another process is in the group under this worker's id
│   │   ├── AccessDenied                         a right on Kafka is missing
│   │   ├── LeaderMissing                        a partition has no leader; others can be read and written
│   │   ├── TransactionHeldUp                    what failed in a transaction was of another shard
│   │   ├── TransactionNotMarked                 a partition without a leader holds up a transactional id
│   │   └── TopicMissing                         a topic of the bridge does not exist any more
│   ├── RegistryUnavailable                      (retryable)
│   ├── SchemaUnknown                            (retryable) what wrote a stored record is not known, or cannot be read
│   ├── RegistryRefused                          schema incompatible, subject locked, no credentials
│   ├── SigningFailed                            (retryable) the key that signs cannot be used
│   ├── SealingFailed                            (retryable) the master key cannot be used
│   ├── WorkerIdInUse                            another living process has the same worker_id
│   ├── TopicMismatch                            a topic exists with properties the bridge cannot use
│   │   └── TopicUnusable                        (retryable) the topic's owner can set it right
│   ├── PartitionsRaised                         (retryable) a shard has to go by a new number of partitions
│   └── CheckpointsOfOthers                      another group, or another number of partitions, wrote the checkpoints
├── PeerError              peer         exit 1   input violates its protocol
│   ├── UnreadableMessage                        one line of a wire
│   ├── FrameTooLong                             one line longer than the limit
│   ├── UnreadableTranscript                     a stored transcript (file, line, code, reason)
│   └── UnreadableAnnouncement                   one record of the announcements topic
├── AttributesTooDeep      peer         exit 1   a KeyValueCollection nested beyond the limit
├── IllegalTransition      bridge       exit 1   input not allowed in a state machine's state: a defect
├── ShardFenced            environment  exit 1   another worker owns this shard now
├── StampUnavailable       environment  exit 1   (retryable) a time stamping authority does not answer, or refuses
├── StampInvalid           environment  exit 1   (retryable) what it answers proves nothing
└── VerificationFailed     peer         exit 1   records on a topic contradict each other
```
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import ClassVar, Literal

Fault = Literal["caller", "peer", "environment", "bridge"]

EXIT_OK = 0
EXIT_RUNTIME = 1
EXIT_CONFIGURATION = 2
EXIT_ENVIRONMENT = 3
EXIT_SIGNAL_BASE = 128


@dataclass(slots=True, frozen=True)
class Problem:
    """What is wrong, or went wrong: a `code` of a closed set for programs, and a sentence about this case for people.

    The code decides; the `detail` is never compared, and quotes no input.
    """

    code: str
    detail: str

    def __str__(self) -> str:
        """Both parts on one line."""
        return f"{self.code}: {self.detail}"


class BridgeError(Exception):
    """Base class. `message`: what happened; `next_step`: what the operator can do, empty if nothing."""

    code: str = "INTERNAL"
    fault: ClassVar[Fault] = "bridge"
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = EXIT_RUNTIME

    def __init__(self, message: str, *, next_step: str = "", code: str = "") -> None:
        """The two parts are kept separately because commands print them on two lines. `code`: unlike the class's."""
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.code = code or self.code

    @property
    def problem(self) -> Problem:
        """The code and both parts of the text."""
        return Problem(self.code, str(self))

    def __str__(self) -> str:
        """Both parts on one line."""
        return f"{self.message} ({self.next_step})" if self.next_step else self.message


class ConfigError(BridgeError):
    """One or more settings are wrong; found before any socket opens."""

    code = "CONFIGURATION"
    fault = "caller"
    exit_code = EXIT_CONFIGURATION


class UsageError(BridgeError):
    """A command's arguments do not fit together."""

    code = "USAGE"
    fault = "caller"
    exit_code = EXIT_CONFIGURATION


class EnvironmentFault(BridgeError):
    """Something outside the bridge is missing or refuses: a broker, a registry, Java, a file."""

    code = "ENVIRONMENT"
    fault = "environment"
    exit_code = EXIT_ENVIRONMENT


class KafkaUnavailable(EnvironmentFault):
    """No broker answers, or the one that does cannot serve the request now. `answered`: Kafka told what is wrong."""

    code = "KAFKA_UNAVAILABLE"
    retryable = True
    answered: ClassVar[bool] = False


class AccessDenied(KafkaUnavailable):
    """Kafka denies this client something that it needs: resource, operation and principal are in the message."""

    code = "ACCESS_DENIED"
    answered = True


class LeaderMissing(KafkaUnavailable):
    """No broker leads a partition now: it cannot be read or written, and others can."""

    answered = True


class TransactionHeldUp(KafkaUnavailable):
    """A transaction of several shards was not committed, and not because of this one's records."""


class TransactionNotMarked(KafkaUnavailable):
    """Kafka has decided a transaction, and cannot mark that on every partition: its id begins no other one."""

    code = "TRANSACTION_NOT_MARKED"


class PlaceTaken(KafkaUnavailable):
    """Another process has joined the group under this worker's id; it is not known yet whether it lives."""

    code = "WORKER_ID_TAKEN"


class TopicMissing(KafkaUnavailable):
    """Topics of the bridge do not exist, or not any more."""

    code = "TOPIC_MISSING"
    answered = True

    def __init__(self, *names: str) -> None:
        """`names` are those of the topics, one or more."""
        it, does = ("it", "does") if len(names) == 1 else ("them", "do")
        super().__init__(
            f"{', '.join(names)} {does} not exist",
            next_step=f"`chatbridge topics apply` creates {it}; or let who owns the topics create {it}",
        )


class AnnouncementsNotWritten(KafkaUnavailable):
    """Kafka acknowledged only the first `accepted` announcements of a list; others may have been written as well."""

    def __init__(self, message: str, *, accepted: int, next_step: str = "") -> None:
        """`accepted` counts from the beginning of the list."""
        super().__init__(message, next_step=next_step)
        self.accepted = accepted


class SigningFailed(EnvironmentFault):
    """What is to be committed cannot be signed now: the key, or the list of keys, cannot be used."""

    code = "SIGNING_FAILED"
    retryable = True


class SealingFailed(EnvironmentFault):
    """What is to be sealed has no key now: the master key cannot be used, or is not the one that wraps it."""

    code = "SEALING_FAILED"
    retryable = True


class RegistryUnavailable(EnvironmentFault):
    """The schema registry does not answer, or answers with a server error."""

    code = "REGISTRY_UNAVAILABLE"
    retryable = True


class SchemaUnknown(EnvironmentFault):
    """The schema that a stored record was written with is not known here: the record is not damaged, it waits."""

    code = "SCHEMA_UNKNOWN"
    retryable = True


class RegistryRefused(EnvironmentFault):
    """The schema registry rejected the request: incompatible schema, missing rights."""

    code = "REGISTRY_REFUSED"


class WorkerIdInUse(EnvironmentFault):
    """Another living process has the same `worker_id`, and has replaced this one in the consumer group."""

    code = "WORKER_ID_IN_USE"

    def __init__(self, worker_id: str, host: str) -> None:
        """`host` says where the other one runs."""
        super().__init__(
            f"another process with worker_id {worker_id} runs on {host} and has taken this one's place",
            next_step="give each worker a worker_id of its own, the same after a restart, such as its pod's name",
        )


class TopicMismatch(EnvironmentFault):
    """A topic exists with a partition count, cleanup policy or record limit that would break a promise."""

    code = "TOPIC_MISMATCH"


class TopicUnusable(TopicMismatch):
    """A topic's cleanup policy deletes what is needed: nothing is captured until its owner has set it right."""

    code = "CLEANUP_POLICY"
    retryable = True


class CheckpointsOfOthers(EnvironmentFault):
    """The checkpoints were written by another consumer group, or under another number of partitions."""

    code = "OTHER_GROUP"


class PartitionsRaised(EnvironmentFault):
    """The topics have more partitions than a shard goes by: it is opened again, and goes by the new number."""

    code = "PARTITIONS_RAISED"
    retryable = True


class PeerError(BridgeError):
    """Input from a peer violates its protocol."""

    code = "UNREADABLE"
    fault = "peer"


class UnreadableMessage(PeerError):
    """A complete line that is not a message: not UTF-8, not JSON, or values of wrong types."""

    code = "UNREADABLE_MESSAGE"


class FrameTooLong(PeerError):
    """A line longer than the frame limit; its beginning is kept for the quarantine."""

    code = "TOO_LONG"


class UnreadableTranscript(PeerError):
    """A stored transcript that cannot be read: names the source, the line, the code and the reason."""

    def __init__(self, source: str, line: int, code: str, reason: str) -> None:
        """`line` counts from 1; 0 when the document as a whole is meant. `code` is one of input_codes.ARCHIVE_CODES."""
        super().__init__(f"{source}:{line}: {code}: {reason}", code=code)
        self.source = source
        self.line = line
        self.reason = reason


class UnreadableAnnouncement(PeerError):
    """A record on the announcements topic (or a POST body) that is not an announcement."""

    code = "ANNOUNCEMENT"


class AttributesTooDeep(PeerError):
    """A KeyValueCollection is nested deeper than the bridge follows."""

    code = "TOO_DEEP"


class IllegalTransition(BridgeError):
    """A state machine received an input that its current state does not allow: a defect of the bridge."""


class ShardFenced(BridgeError):
    """Another worker has taken the shard, or initialised the transactional id that writes it."""

    code = "SHARD_FENCED"
    fault = "environment"


class StampUnavailable(BridgeError):
    """The time stamping authority does not answer, or refuses."""

    code = "TIMESTAMP_UNAVAILABLE"
    fault = "environment"
    retryable = True


class StampInvalid(BridgeError):
    """What the time stamping authority answered does not prove anything."""

    code = "TIMESTAMP_INVALID"
    fault = "environment"
    retryable = True


class VerificationFailed(BridgeError):
    """Records on a topic are unreadable, or have a broken hash chain, sequence or id."""

    code = "UNREADABLE_RECORD"
    fault = "peer"


def places(error: BaseException) -> tuple[str, ...]:
    """Return the stack frames of an unexpected error, outermost first; not its text, which may quote a chat (P5)."""
    return tuple(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__))
