"""The section `telemetry` of the settings: where traces go."""

from __future__ import annotations

from pydantic import Field

from bridge.config.section import Section


class TracesSettings(Section):
    """OpenTelemetry traces: spans for the opening of shards, for transactions, and for joins."""

    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s]+$",
        description="Where an OpenTelemetry collector takes OTLP over HTTP, e.g. `http://collector:4318/v1/traces`. "
        "Without it there are no traces. It needs the extra: `pip install 'chatbridge[otel]'`.",
    )
    transactions_ratio: float = Field(
        default=0.01,
        ge=0.0,
        le=1.0,
        description="Part of the transactions that become spans; joins and openings of shards all do.",
    )


class TelemetrySettings(Section):
    """What is told beside metrics and the log."""

    traces: TracesSettings = Field(default_factory=TracesSettings)
