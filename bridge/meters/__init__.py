"""The Prometheus metrics: names, help texts, units and closed sets of label values.

Names and labels are a public interface and are not renamed. A value outside its set is counted as `other`; the label of
a code is its lower case. No session id, nickname or key is ever a label. An address is one in a single place: the
servers that answer and drop have to be named. Addresses come with announcements, from strangers: at most NAMED_SERVERS
are named at a time, the worst.
"""

from bridge.meters.all_meters import GAUGES, GaugeName, Meters
from bridge.meters.label_values import (
    CERTIFICATES,
    COVERAGE_STEPS,
    FORGETTABLE,
    HTTP_CODES,
    HTTP_PATHS,
    KAFKA_ERROR_KINDS,
    KINDS,
    LOG_LEVELS,
    NAMED_SERVERS,
    OTHER,
    REDACTION_ACTIONS,
    TASK_KINDS,
    UCS_MISSING,
    VERDICTS,
    kafka_error_kind,
    label,
)
from bridge.meters.read_families import FAMILIES, FamilyName
from bridge.meters.units import unit_of

__all__ = [
    "CERTIFICATES",
    "COVERAGE_STEPS",
    "FAMILIES",
    "FORGETTABLE",
    "GAUGES",
    "HTTP_CODES",
    "HTTP_PATHS",
    "KAFKA_ERROR_KINDS",
    "KINDS",
    "LOG_LEVELS",
    "NAMED_SERVERS",
    "OTHER",
    "REDACTION_ACTIONS",
    "TASK_KINDS",
    "UCS_MISSING",
    "VERDICTS",
    "FamilyName",
    "GaugeName",
    "Meters",
    "kafka_error_kind",
    "label",
    "unit_of",
]
