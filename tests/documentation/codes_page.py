"""docs/reference/codes.md: every code that a program may read, from the modules that define them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.adapters.kafka.connection_codes import CONNECTION_CODES
from bridge.adapters.kafka.topic_codes import TOPIC_CODES
from bridge.archive.repair_codes import REPAIR_CODES
from bridge.capture.readiness_codes import READINESS_CODES, WARNING_CODES
from bridge.commands.archived_chats import REFUSAL_CODES
from bridge.doctor.results.doctor_codes import DOCTOR_CODES
from bridge.overview.health_summary import OVERVIEW_CODES
from bridge.reconciliation.differences import EXPECTED, MISSING, UNEXPLAINED
from bridge.records.coverage_counts import COVERAGE_CODES
from bridge.sources.ucs.feeder_codes import MISSING_CODES, UCS_CODES
from bridge.transcript.blind_spots import BLIND_SPOTS
from bridge.transcript.completeness import EXPECTED_CLASSES, OTHER_CLASSES
from bridge.transcript.endings import ENDINGS
from bridge.transcript.gap_codes import CERTIFICATE_CODES, GAP_CODES
from bridge.transcript.input_codes import ARCHIVE_CODES, QUARANTINE_CODES
from bridge.transcript.link_codes import AWAY_CODES, JOIN_CODES, LINK_CODES
from bridge.transcript.summary_codes import APPROXIMATE_CODES, NO_SUMMARY_CODES
from bridge.transcript.watching import UNWATCHED_CODES
from tests.documentation.tables import code, table

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAD: Final = """\
# Codes

Wherever the bridge says why something is so, a program finds a code of one of the sets below, and a person finds a
sentence beside it (`detail`). Programs compare codes, never sentences: a sentence may be worded otherwise in any
version. Within a major version a code keeps its meaning and none is removed; later versions may add codes, so a reader
lets one that it does not know pass. The label of a metric is the code in lower case.
"""


class CodeSet(NamedTuple):
    """One closed set: its name, where its codes stand, and code -> what it means, what to do."""

    name: str
    where: str
    codes: Mapping[str, tuple[str, str]]


SETS: Final = (
    CodeSet(
        "Readiness",
        '`code` of the `reasons` of `/readyz`, which is `{"ready": false, "reasons": [{"code": "...", '
        '"detail": "..."}], "warnings": []}`, and on the status page.',
        READINESS_CODES,
    ),
    CodeSet("Warnings", "`warnings` of `/readyz`, which do not change the status.", WARNING_CODES),
    CodeSet(
        "Connections to Kafka",
        "First of the `reasons` of `/readyz`, when a connection made for that purpose tells why Kafka cannot be used; "
        "`code` of `kafka_problem_began` and `kafka_problem_ended` in the log.",
        CONNECTION_CODES,
    ),
    CodeSet(
        "Topics",
        "Reasons and, while the bridge goes on, `warnings` of `/readyz`, which have the same form and do not change "
        "the status; `code` of `topic_deviates` in the log; `chatbridge topics`.",
        TOPIC_CODES,
    ),
    CodeSet(
        "Database of UCS",
        "Among the `reasons` of `/readyz` of the worker that follows UCS; `code` of `ucs_read_failed` in the log.",
        UCS_CODES,
    ),
    CodeSet(
        "Stored chats",
        "`code` of `stored_chat_missing` in the log; `chatbridge_ucs_missing_chats_total`.",
        MISSING_CODES,
    ),
    CodeSet(
        "Status page",
        "Among `health.reasons` and `health.warnings` of `/v1/status`, and on the status page only: `/readyz` does not "
        "know them.",
        OVERVIEW_CODES,
    ),
    CodeSet(
        "Examination",
        "`code` of the lines of `chatbridge doctor`, beside OK and those of the sets above.",
        DOCTOR_CODES,
    ),
    CodeSet(
        "Gaps",
        "`gap.code` of a [GAP record](topics.md#gap), `code` of the gaps of a certificate and, while a gap is open, "
        "`reasons` of the certificate; `code` of `gap_recorded` in the log; `chatbridge_gaps_total`.",
        GAP_CODES,
    ),
    CodeSet(
        "Certificates",
        "In `reasons` of a [certificate](topics.md#certificate), beside the codes of its open gaps. `details` has a "
        "sentence about some of them.",
        CERTIFICATE_CODES,
    ),
    CodeSet(
        "Expected holes",
        "`class` of the `holes` of a [certificate](topics.md#certificate), and in its `reasons`: to be expected.",
        EXPECTED_CLASSES,
    ),
    CodeSet("Other holes", "`class` of the `holes` of a certificate.", OTHER_CLASSES),
    CodeSet("Endings", "`ending` of a certificate.", ENDINGS),
    CodeSet("Unwatched intervals", "`code` of the intervals in `unwatched` of a certificate.", UNWATCHED_CODES),
    CodeSet("Blind spots", "`blindSpots` of a certificate.", BLIND_SPOTS),
    CodeSet(
        "Coverage",
        "What `chatbridge coverage` says of a chat that is not covered, beside the codes of its certificate.",
        COVERAGE_CODES,
    ),
    CodeSet(
        "Missing summaries",
        "`noSummary` of a [SessionRecord](topics.md#sessionrecord).",
        NO_SUMMARY_CODES,
    ),
    CodeSet(
        "Approximate summaries",
        "`approximateReasons` of a [Summary](topics.md#summary).",
        APPROXIMATE_CODES,
    ),
    CodeSet(
        "Quarantine",
        "`code` of a [QuarantinedInput](topics.md#quarantinedinput); `code` of `quarantined` in the log; "
        "`chatbridge_quarantined_total`.",
        QUARANTINE_CODES,
    ),
    CodeSet(
        "Stored transcripts",
        "What `chatbridge convert` writes for a file that it cannot read: `file:line: CODE: sentence`.",
        ARCHIVE_CODES,
    ),
    CodeSet(
        "Repairs",
        "What `chatbridge convert` repairs in a damaged stored transcript: `file: line n, event id: CODE`, and with "
        "`--strict` the reason why it refuses one.",
        REPAIR_CODES,
    ),
    CodeSet(
        "Archives",
        "`code` of a document that `chatbridge backfill` refuses, beside those of stored transcripts.",
        REFUSAL_CODES,
    ),
    CodeSet(
        "Expected differences",
        "`differences` of a chat in the report of `chatbridge reconcile`.",
        EXPECTED,
    ),
    CodeSet(
        "Other differences",
        "Likewise. All but the first are unexplained, and `unexplained` names each of them.",
        {**MISSING, **UNEXPLAINED},
    ),
    CodeSet(
        "Links",
        "`code` of `link_lost` in the log; `chatbridge_links_lost_total`.",
        LINK_CODES,
    ),
    CodeSet(
        "Joins",
        "`code` of `join_refusal` in the log; in the `detail` of a GAP NEVER_JOINED, OVER_WHILE_AWAY or OUT_OF_REACH, "
        "that of the last attempt.",
        JOIN_CODES,
    ),
    CodeSet(
        "Absences",
        "Why a chat is not watched for now; for sources, which tell it to the engine.",
        AWAY_CODES,
    ),
)


def text() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(_section(name, where, codes) for name, where, codes in SETS)])


def _section(name: str, where: str, codes: Mapping[str, tuple[str, str]]) -> str:
    rows = [(code(one), meaning, todo) for one, (meaning, todo) in codes.items()]
    return f"## {name}\n\n{where}\n\n{table(('code', 'meaning', 'what to do'), rows)}\n"
