"""All codes of `/readyz`, of whichever part: an error's, a connection's to Kafka, a topic's, of UCS."""

from __future__ import annotations

from typing import Final

from bridge.adapters.kafka.connection_codes import CONNECTION_CODES
from bridge.adapters.kafka.topic_codes import CLEANUP_POLICY, PARTITIONS_DIFFER, PARTITIONS_RISING, TOPIC_CODES
from bridge.capture.readiness_codes import READINESS_CODES, WARNING_CODES
from bridge.sources.ucs.feeder_codes import UCS_CODES

REASON_CODES: Final = (
    *READINESS_CODES,
    *CONNECTION_CODES,
    *(CLEANUP_POLICY, PARTITIONS_DIFFER, PARTITIONS_RISING),
    *UCS_CODES,
)
"""Codes that a reason not to be ready can have: the closed set of the metric's label."""

ADVICE_CODES: Final = READINESS_CODES | CONNECTION_CODES | TOPIC_CODES | UCS_CODES | WARNING_CODES
"""Code of a reason or a warning -> what it means, and what to do."""
