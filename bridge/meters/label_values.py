"""The closed sets of label values, and how codes and names of others become one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.transcript import entries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

OTHER: Final = "other"

NAMED_SERVERS: Final = 64
"""Values of the label `server` at a time; what is beyond them is `other`."""

KINDS: Final = (
    entries.PARTY_JOINED,
    entries.MESSAGE,
    entries.NOTICE,
    entries.PARTY_LEFT,
    entries.UNKNOWN,
    entries.GAP,
    entries.RESUMED,
)
VERDICTS: Final = entries.VERDICTS
COVERAGE_STEPS: Final = ("announced", "joined", "complete")
FORGETTABLE: Final = ("checkpoints", "events", "sessions", "announcements", "keys")
"""Kinds of topics of which a loss is recognised."""

TASK_KINDS: Final = (
    "worker",
    "capture",
    "shard",
    "queue",
    "release",
    "watch",
    "feeder",
    "commit",
    "kafka_client",
    "kafka_connection",
    "kafka",
    "http",
    OTHER,
)

CERTIFICATES: Final = (
    "kafka",
    "kafka_ca",
    "oauth",
    "oauth_ca",
    "registry",
    "registry_ca",
    "chat_server",
    "chat_server_ca",
    "ucs",
    "ucs_ca",
    "http",
)
"""Certificates of the settings, and authorities (`_ca`), whose end is shown."""

UCS_MISSING: Final = ("no_text", "not_over", "row_gone", "unreadable_row", "list_full")
"""Why the stored text of a chat was not passed on."""

STAMP_FAILURES: Final = ("TIMESTAMP_UNAVAILABLE", "TIMESTAMP_INVALID")
STAMP_RESULTS: Final = ("kept", "timestamp_unavailable", "timestamp_invalid", OTHER)
"""What became of a request for a time stamp."""

SESSION_STATES: Final = ("joined", "waiting", "given_up", "stored")
SHARD_STATES: Final = ("open", "opening", "closing")
CLIENT_VERSIONS: Final = ("101", "102", "103", "104", "105", "106", OTHER)
LOG_LEVELS: Final = ("debug", "info", "warning", "error", OTHER)
REDACTION_ACTIONS: Final = ("drop", "mask", "hash", "secret", OTHER)
"""What rules do, and the removal of secrets, which needs no rule."""

HTTP_PATHS: Final = (
    "/",
    "/status.js",
    "/report.js",
    "/status.css",
    "/livez",
    "/readyz",
    "/metrics",
    "/v1/sessions",
    "/v1/status",
    "/v1/admin/log-level",
    "/v1/admin/joins",
    OTHER,
)
HTTP_CODES: Final = (
    *("200", "202", "400", "401", "403", "404", "405", "408", "413", "415", "421", "429", "500", "503"),
    OTHER,
)

_CAUSES_OF_KAFKA_ERRORS: Final[Mapping[str, tuple[str, ...]]] = {
    "connection": (
        *("KafkaConnectionError", "NodeNotReadyError", "ConnectionError", "OSError", "StaleMetadata"),
        *("NetworkException", "KAFKA_NAME_UNKNOWN", "KAFKA_REFUSES", "KAFKA_UNREACHABLE", "KAFKA_CLOSES"),
        *("ConnectionResetError", "ConnectionRefusedError", "NoBrokersAvailable", "gaierror", "KafkaUnavailable"),
    ),
    "timeout": (*("KafkaTimeoutError", "RequestTimedOutError", "TimeoutError", "KAFKA_SILENT", "CancelledError"),),
    "authentication": (
        *("AuthenticationFailedError", "AuthenticationMethodNotSupported", "UnsupportedSaslMechanismError"),
        *("IllegalSaslStateError", "SaslAuthenticationFailed", "KAFKA_WANTS_SASL", "KAFKA_WITHOUT_SASL"),
        *("KAFKA_MECHANISM_UNKNOWN", "KAFKA_PASSWORD_REFUSED", "KAFKA_AUTHENTICATION_FAILED"),
        *("KAFKA_TOKEN_UNAVAILABLE", "KAFKA_TOKEN_REFUSED", "KAFKA_FILES_UNREADABLE"),
    ),
    "authorization": (
        *("TopicAuthorizationFailedError", "GroupAuthorizationFailedError", "ClusterAuthorizationFailedError"),
        *("TransactionalIdAuthorizationFailed", "AccessDenied", "ACCESS_DENIED"),
    ),
    "tls": (
        *("KAFKA_USES_TLS", "KAFKA_WITHOUT_TLS", "KAFKA_AUTHORITY_UNKNOWN", "KAFKA_NAME_MISMATCH"),
        *("KAFKA_CERTIFICATE_EXPIRED", "KAFKA_CERTIFICATE_INVALID", "KAFKA_WANTS_CERTIFICATE"),
        *("KAFKA_REFUSES_CERTIFICATE", "SSLError", "SSLCertVerificationError"),
    ),
    "broker": (
        *("LeaderNotAvailableError", "NotLeaderForPartitionError", "GroupCoordinatorNotAvailableError"),
        *("GroupLoadInProgressError", "NotCoordinatorForGroupError", "CoordinatorNotAvailableError"),
        *("CoordinatorLoadInProgressError", "NotCoordinatorError", "ReplicaNotAvailableError", "KafkaStorageError"),
        *("BrokerNotAvailableError", "NotEnoughReplicasError", "NotEnoughReplicasAfterAppendError", "UnknownError"),
    ),
    "group": (
        *("CommitFailedError", "IllegalGenerationError", "RebalanceInProgressError", "UnknownMemberIdError"),
        *("FencedInstanceIdError", "PlaceTaken", "PlaceTakenError", "IllegalStateError"),
    ),
    "transaction": (
        *("ProducerFenced", "InvalidProducerEpoch", "InvalidTxnState", "InvalidProducerIdMapping", "ShardFenced"),
        *("OutOfOrderSequenceNumber", "ConcurrentTransactions", "OperationNotAttempted", "DuplicateSequenceNumber"),
        *("TransactionHeldUp", "TransactionNotMarked"),
    ),
    "topic": (
        *("UnknownTopicOrPartitionError", "InvalidTopicError", "TopicMissing", "TopicMismatch"),
        *("OffsetOutOfRangeError", "UnknownTopicIdError"),
    ),
    "too_large": ("MessageSizeTooLargeError", "RecordListTooLargeError", "RecordTooLargeError"),
}
_KIND_OF_CAUSE: Final = {cause: kind for kind, causes in _CAUSES_OF_KAFKA_ERRORS.items() for cause in causes}

KAFKA_ERROR_KINDS: Final = (*_CAUSES_OF_KAFKA_ERRORS, OTHER)


def kafka_error_kind(cause: str) -> str:
    """Return the kind of an error of Kafka, given the name of its class, or the code of a failed connection."""
    return _KIND_OF_CAUSE.get(cause, OTHER)


def label(code: str, known: Collection[str]) -> str:
    """Return the label of a code: its lower case, if it is one of `known`."""
    return code.lower() if code in known else OTHER


def values_of(known: Iterable[str]) -> tuple[str, ...]:
    """Return the labels of codes, and `other`."""
    return (*(code.lower() for code in known), OTHER)
