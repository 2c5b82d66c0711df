"""docs/reference/metrics.md: every metric, from bridge/meters."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

from bridge.meters import CERTIFICATES, NAMED_SERVERS, OTHER, Meters, unit_of
from bridge.reason_codes import REASON_CODES
from tests.documentation.tables import code, table

if TYPE_CHECKING:
    from prometheus_client import Metric

_HEAD: Final = """\
# Metrics

`GET /metrics`, in Prometheus' text format. Names and labels are an interface and are not renamed. Every label has a
closed set of values, all of which exist from the start; any other value is counted as `other`. There are three
exceptions: the values of `server` are addresses of servers, at most {named} at a time, each only as long as there is
something to say of it, those of `which` are the certificates that are set, and the two `..._info` metrics have one
sample each. No session id, nickname or key is ever a label. The `process_...` and `python_gc_...` metrics of
`prometheus_client` are included.
[Operating](../operating.md) lists the ones to watch.
"""
_TEXTS: Final = {
    "chatbridge_unstable_servers": f"{code('server')}: addresses, other",
    "chatbridge_certificate_expiry_timestamp_seconds": f"{code('which')}: {', '.join(CERTIFICATES)}",
    "chatbridge_build_info": ", ".join(map(code, ("version", "python", "aiokafka")))
    + f", {code('core')}: compiled, python",
    "chatbridge_config_info": code("hash"),
    "chatbridge_not_ready": f"{code('code')}: {', '.join([*map(str.lower, REASON_CODES), OTHER])}",
}
_SUFFIX: Final = {"counter": "_total"}


def text() -> str:
    """Return the page."""
    families = [family for family in Meters().registry.collect() if family.name.startswith("chatbridge_")]
    rows = [
        (code(name), family.type, unit_of(name), _labels(family), f"{family.documentation}.")
        for name, family in sorted(((one.name + _SUFFIX.get(one.type, ""), one) for one in families), key=itemgetter(0))
    ]
    heads = ("name", "type", "unit", "label and its values", "meaning")
    return f"{_HEAD.format(named=NAMED_SERVERS)}\n{table(heads, rows)}"


def _labels(family: Metric) -> str:
    if family.name in _TEXTS:
        return _TEXTS[family.name]
    values: dict[str, dict[str, None]] = {}
    for sample in family.samples:
        for label, value in sample.labels.items():
            values.setdefault(label, {})[value] = None
    values.pop("le", None)  # the bounds of a histogram's buckets
    return "; ".join(f"{code(label)}: {', '.join(known)}" for label, known in values.items())
