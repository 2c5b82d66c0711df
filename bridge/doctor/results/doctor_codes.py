"""The codes of `chatbridge doctor`, beside those of connections to Kafka, of topics, and of `/readyz`."""

from __future__ import annotations

from typing import Final

NO_ANSWER: Final = "NO_ANSWER"
BLOCKED: Final = "BLOCKED"
NOT_CONFIGURED: Final = "NOT_CONFIGURED"
NOTHING_FOUND: Final = "NOTHING_FOUND"
NOT_TOLD: Final = "NOT_TOLD"
DOCTOR_DEFECT: Final = "DOCTOR_DEFECT"
NO_WORKER: Final = "NO_WORKER"
KAFKA_RELEASE: Final = "KAFKA_RELEASE"
NO_COORDINATOR: Final = "NO_COORDINATOR"
TRANSACTIONS_UNTOLD: Final = "TRANSACTIONS_UNTOLD"
CERTIFICATE_ENDS_SOON: Final = "CERTIFICATE_ENDS_SOON"
CERTIFICATE_ENDED: Final = "CERTIFICATE_ENDED"
NO_CERTIFICATE: Final = "NO_CERTIFICATE"
NO_LEADER: Final = "NO_LEADER"
REPLICAS_BEHIND: Final = "REPLICAS_BEHIND"
WRITES_REFUSED: Final = "WRITES_REFUSED"
SIZE_LIMIT_FIRST: Final = "SIZE_LIMIT_FIRST"
GROUP_EMPTY: Final = "GROUP_EMPTY"
GROUP_REBALANCING: Final = "GROUP_REBALANCING"
GROUP_SHARED: Final = "GROUP_SHARED"
WORKER_ID_CHANGES: Final = "WORKER_ID_CHANGES"
WORKER_ID_ELSEWHERE: Final = "WORKER_ID_ELSEWHERE"
WORKERS_WITHOUT_SHARD: Final = "WORKERS_WITHOUT_SHARD"
SCHEMA_INCOMPATIBLE: Final = "SCHEMA_INCOMPATIBLE"
SCHEMA_NOT_REGISTERED: Final = "SCHEMA_NOT_REGISTERED"
COMPATIBILITY_LOW: Final = "COMPATIBILITY_LOW"
SERVER_NAME_UNKNOWN: Final = "SERVER_NAME_UNKNOWN"
SERVER_REFUSES: Final = "SERVER_REFUSES"
SERVER_NO_ANSWER: Final = "SERVER_NO_ANSWER"
SERVER_TLS: Final = "SERVER_TLS"
SERVER_SILENT: Final = "SERVER_SILENT"
SERVER_CLOSES: Final = "SERVER_CLOSES"
SERVER_UNREADABLE: Final = "SERVER_UNREADABLE"
REGISTRATION_REFUSED: Final = "REGISTRATION_REFUSED"
CLIENT_VERSION_LOWER: Final = "CLIENT_VERSION_LOWER"
CLIENT_VERSION_ASSUMED: Final = "CLIENT_VERSION_ASSUMED"
CLOCK_DIFFERS: Final = "CLOCK_DIFFERS"
OPEN_FILES_LOW: Final = "OPEN_FILES_LOW"
MEMORY_LOW: Final = "MEMORY_LOW"
BROKER_LIMIT: Final = "BROKER_LIMIT"

_SERVER: Final = "Check the address, the server and the network."
DOCTOR_CODES: Final = {
    NO_ANSWER: ("Nothing was answered within the time limit of the check.", "Look at the other side, and the network."),
    BLOCKED: ("Not checked: another check failed, on which this one depends.", "Mend that first."),
    NOT_CONFIGURED: ("Not checked: the settings and options name nothing to look at.", "Nothing, or name it."),
    NOTHING_FOUND: ("Not checked: there is nothing there to look at.", "Nothing, or find out why."),
    NOT_TOLD: ("Not checked: the other side does not know the question.", "Nothing; newer versions tell more."),
    DOCTOR_DEFECT: ("Not checked: a defect of `doctor` itself. Its exit code is 3.", "Report it, with the line."),
    NO_WORKER: (
        "Not checked: no worker answers where these settings let one listen.",
        "Run `doctor` on the worker's host and with its settings, or start the worker.",
    ),
    KAFKA_RELEASE: ("This release of Kafka has a known defect, or is too old to have been tested.", "Use 4.2."),
    NO_COORDINATOR: (
        "No broker coordinates the group or the transactions: an internal topic of Kafka has no leader.",
        "Look at the brokers' logs; compare the replication factor of that topic with the number of brokers.",
    ),
    TRANSACTIONS_UNTOLD: (
        "A broker does not know DescribeTransactions: a partition without a leader stops all shards of a worker.",
        "Set `kafka.transactions` to `shard`, or use Kafka 3.0 or later.",
    ),
    CERTIFICATE_ENDS_SOON: ("A certificate ends within three weeks.", "Renew it; files are read again by themselves."),
    CERTIFICATE_ENDED: ("A certificate has ended.", "Renew it; files are read again by themselves."),
    NO_CERTIFICATE: ("No certificate was shown where TLS is expected.", "Check the address, and that it uses TLS."),
    NO_LEADER: (
        "No broker leads a partition of a topic: its shard waits, or takes no new chats.",
        "Bring back a broker that has a replica of it.",
    ),
    REPLICAS_BEHIND: (
        "A partition has replicas that lack records: a broker is down, slow or full.",
        "Look at the brokers; replicas catch up by themselves.",
    ),
    WRITES_REFUSED: (
        "A partition has fewer replicas in sync than `min.insync.replicas` says: Kafka refuses what is written.",
        "Bring the brokers back.",
    ),
    SIZE_LIMIT_FIRST: (
        "Kafka deletes records because of `retention.bytes`, before `retention.ms` has passed.",
        "Raise or remove `retention.bytes` of the topic.",
    ),
    GROUP_EMPTY: ("No worker is a member of the consumer group.", "Start workers, or correct `kafka.group`."),
    GROUP_REBALANCING: (
        "The group is distributing its partitions and has not finished.",
        "Ask again; if it stays so, look at the logs of the workers for restarts.",
    ),
    GROUP_SHARED: (
        "Something else than workers of this installation is in the consumer group.",
        "Give it a group of its own.",
    ),
    WORKER_ID_CHANGES: (
        "Processes replace each other in the group under one `worker_id`.",
        "Give each worker a `worker_id` of its own; look for a crash loop.",
    ),
    WORKER_ID_ELSEWHERE: (
        "A process on another host is in the group under the `worker_id` of these settings.",
        "Give each worker a `worker_id` of its own.",
    ),
    WORKERS_WITHOUT_SHARD: (
        "The group has more workers than partitions, so that some have nothing to do.",
        "Run fewer workers; the others only take over when one stops.",
    ),
    SCHEMA_INCOMPATIBLE: (
        "The registry would refuse a schema: it is not compatible with what is registered.",
        "Compare with `chatbridge schemas print`; use a topic prefix or a registry of its own.",
    ),
    SCHEMA_NOT_REGISTERED: ("A schema is not registered yet.", "Nothing: `run` registers it at its start."),
    COMPATIBILITY_LOW: (
        "The registry would accept later schemas that cannot read old records.",
        "Set the compatibility of the subject to BACKWARD_TRANSITIVE.",
    ),
    SERVER_NAME_UNKNOWN: ("The name of a Chat Server has no address.", _SERVER),
    SERVER_REFUSES: ("A Chat Server refuses the connection: nothing listens on the port.", _SERVER),
    SERVER_NO_ANSWER: ("The attempt to connect to a Chat Server has no answer.", _SERVER),
    SERVER_TLS: ("TLS with a Chat Server fails.", "Check `sources.chat_server.tls` and the server's certificate."),
    SERVER_SILENT: ("A Chat Server accepts the connection and answers nothing.", "Check what listens there."),
    SERVER_CLOSES: ("A Chat Server closes the connection before it answers.", "Check what listens there, and TLS."),
    SERVER_UNREADABLE: ("What answers is not a Chat Server in the form that this bridge reads.", "Check the address."),
    REGISTRATION_REFUSED: (
        "A Chat Server refuses to register this bridge.",
        "Check `sources.chat_server.nickname` and `person_id`, and the log of the server.",
    ),
    CLIENT_VERSION_LOWER: (
        "A Chat Server speaks a lower ClientVersion than is declared, and withholds what that does not know.",
        "Nothing, or update the server; docs/protocol.md lists what each version knows.",
    ),
    CLIENT_VERSION_ASSUMED: (
        "A Chat Server does not say which ClientVersion is in force; the declared one is assumed.",
        "Compare `sources.chat_server.client_version` with the server's release.",
    ),
    CLOCK_DIFFERS: ("The clock of this host is not that of Kafka.", "Set the clocks by NTP."),
    OPEN_FILES_LOW: ("The process may open too few files for the settings.", "Raise the limit (ulimit -n)."),
    MEMORY_LOW: (
        "The memory limit is below what the settings may take.",
        "Raise it, or lower `capture.inbox_bytes` and `sources.chat_server.history_bytes`.",
    ),
    BROKER_LIMIT: ("A broker does not allow what a setting says.", "Correct the setting, or the broker's."),
}
"""Code -> what it means, and what to do."""
