"""docs/reference/metrics.md: every metric, from bridge/meters.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.meters import CERTIFICATES, NAMED_SERVERS, Meters
from tests.documentation.tables import code, table

if TYPE_CHECKING:
    from prometheus_client import Metric

_HEAD: Final = """\
# Metrics

`GET /metrics`, in Prometheus' text format. Names and labels are an interface and are not renamed. Every label has a
closed set of values, all of which exist from the start; any other value is counted as `other`. There are two
exceptions: the values of `server` are addresses of servers, at most {named} at a time, each only as long as there is
something to say of it, and those of `which` are the certificates that are set. No session id, nickname or key is ever a
label. The `process_...` metrics of `prometheus_client` are included.
[Operating](../operating.md) lists the ones to watch.
"""
_SUFFIX: Final = {"counter": "_total"}


def text() -> str:
    """Return the page."""
    families = [family for family in Meters().registry.collect() if family.name.startswith("chatbridge_")]
    rows = [
        (code(family.name + _SUFFIX.get(family.type, "")), family.type, _labels(family), f"{family.documentation}.")
        for family in sorted(families, key=lambda family: family.name)
    ]
    return f"{_HEAD.format(named=NAMED_SERVERS)}\n{table(('name', 'type', 'label and its values', 'meaning'), rows)}"


def _labels(family: Metric) -> str:
    values: dict[str, dict[str, None]] = {}
    for sample in family.samples:
        for label, value in sample.labels.items():
            values.setdefault(label, {})[value] = None
    if family.name == "chatbridge_unstable_servers":
        return f"{code('server')}: addresses, other"
    if family.name == "chatbridge_certificate_expiry_timestamp_seconds":
        return f"{code('which')}: {', '.join(CERTIFICATES)}"
    values.pop("le", None)  # the bounds of a histogram's buckets
    return "; ".join(f"{code(label)}: {', '.join(known)}" for label, known in values.items())
