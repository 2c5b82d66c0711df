"""Sends what facts tell of durations to an OpenTelemetry collector, as spans, over OTLP/HTTP.

The packages are the optional extra `otel`, and are imported only when traces are switched on. Spans are sent by a
thread of the SDK's own; those that a collector does not take in time are dropped, and never waited for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from bridge.optional_packages import optional_package

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.facts import Fact

_EXPORT_SECONDS: Final = 5
"""How long the collector may take for one request, the last one included: the process ends after that."""
_NS: Final = 1_000_000_000


class OtlpTraces:
    """The spans of one worker. `observe` every fact, then `close`."""

    def __init__(self, endpoint: str, resource: Mapping[str, str], transactions_ratio: float) -> None:
        """`resource` says who speaks. Nothing is sent before the first span.

        Raises ConfigError when the packages are not installed.
        """
        trace, sdk, export, exporter, resources = _installed()
        self._ratio = transactions_ratio
        self._owed = 0.0
        self._status = trace.Status(trace.StatusCode.ERROR)
        self._provider = sdk.TracerProvider(resource=resources.Resource.create(dict(resource)), shutdown_on_exit=False)
        sender = exporter.OTLPSpanExporter(endpoint=endpoint, timeout=_EXPORT_SECONDS)
        self._provider.add_span_processor(export.BatchSpanProcessor(sender))
        self._tracer = self._provider.get_tracer("chatbridge")

    def observe(self, fact: Fact) -> None:
        """Make a span of a fact that has one; it ends now."""
        told = fact.span()
        if told is None or (told.sampled and not self._due()):
            return
        end = time.time_ns()
        start = end - int(told.seconds * _NS)
        span = self._tracer.start_span(told.name, start_time=start, attributes=dict(told.attributes))
        if told.failed:
            span.set_status(self._status)
        span.end(end_time=end)

    def close(self) -> None:
        """Send what is left, for seconds at most."""
        self._provider.shutdown()

    def _due(self) -> bool:
        """Return True for that part of the calls which the ratio is, evenly spread."""
        self._owed += self._ratio
        if self._owed < 1.0:
            return False
        self._owed -= 1.0
        return True


def _installed() -> tuple[Any, ...]:
    names = (
        "opentelemetry.trace",
        "opentelemetry.sdk.trace",
        "opentelemetry.sdk.trace.export",
        "opentelemetry.exporter.otlp.proto.http.trace_exporter",
        "opentelemetry.sdk.resources",
    )
    setting, what = "telemetry.traces.endpoint", "the packages of OpenTelemetry are"
    return tuple(optional_package(name, setting=setting, what=what, extra="otel") for name in names)
