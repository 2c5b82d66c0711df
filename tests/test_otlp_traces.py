"""Traces, read back from a receiver that decodes what the OpenTelemetry SDK sends over OTLP/HTTP."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bridge.config import load
from bridge.errors import ConfigError
from bridge.facts import BatchCommitted, ConsumerFailed, ShardTaken
from bridge.sources.chat_server.link_facts import JoinAnswered, JoinRefusal
from bridge.worker_factories import telemetry_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.facts import Fact

_NS = 1_000_000_000
TAKEN = ShardTaken(shard=3, sessions=7, seconds=0.5)
COMMITTED = BatchCommitted(shard=1, kinds={"MESSAGE": 2}, records=4, bytes=900, seconds=0.02, oldest_seconds=0, ages=())
JOINED = JoinAnswered(session="0000SIMA00000001", server="chat-1:4800", events=12, seconds=0.25)
REFUSED = JoinRefusal(
    session="0000SIMA00000001",
    server="chat-1:4800",
    error_id=4,
    code="REFUSED",
    detail="what was said",
    verdict="retry",
    seconds=0.1,
)


class Received:
    """What a receiver was sent: the requests, decoded."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []

    def spans(self) -> dict[str, list[dict[str, object]]]:
        """Return name -> attributes, seconds and status code of each span."""
        found: dict[str, list[dict[str, object]]] = {}
        for request in self.requests:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        values = {one.key: one.value for one in span.attributes}
                        plain = {key: value.string_value or value.int_value for key, value in values.items()}
                        took = round((span.end_time_unix_nano - span.start_time_unix_nano) / _NS, 6)
                        found.setdefault(span.name, []).append({**plain, "took": took, "status": span.status.code})
        return found

    def resource(self) -> dict[str, str]:
        """Return the attributes of who sent the first request."""
        attributes = self.requests[0].resource_spans[0].resource.attributes
        return {one.key: one.value.string_value for one in attributes}


@contextmanager
def receiver() -> Iterator[tuple[str, Received]]:
    received = Received()

    class Collector(BaseHTTPRequestHandler):
        """Answers as a collector does."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def told(endpoint: str, facts: list[Fact], ratio: float = 1.0) -> None:
    flags = {
        "telemetry.traces.endpoint": endpoint,
        "telemetry.traces.transactions_ratio": str(ratio),
        "worker_id": "worker-1",
        "kafka.group": "trial",
    }
    telemetry = telemetry_of(load(None, {}, flags))
    for fact in facts:
        telemetry.emit(fact)
    telemetry.close()


def test_openings_transactions_and_joins_are_spans_with_their_durations_and_a_refused_join_has_failed() -> None:
    with receiver() as (endpoint, received):
        told(
            endpoint,
            [
                TAKEN,
                COMMITTED,
                JOINED,
                REFUSED,
                ConsumerFailed(error="KafkaError", code="KAFKA_UNAVAILABLE", detail=""),
            ],
        )
    assert received.spans() == {
        "open shard": [{"shard": 3, "sessions": 7, "took": 0.5, "status": 0}],
        "transaction": [{"shard": 1, "records": 4, "event_bytes": 900, "took": 0.02, "status": 0}],
        "join": [
            {"server": "chat-1:4800", "events": 12, "took": 0.25, "status": 0},
            {"server": "chat-1:4800", "code": "REFUSED", "took": 0.1, "status": 2},
        ],
    }
    who = received.resource()
    assert (who["service.name"], who["service.namespace"], who["service.instance.id"]) == (
        "chatbridge",
        "trial",
        "worker-1",
    )


@pytest.mark.parametrize(("ratio", "expected"), [(0.0, 0), (0.25, 10), (1.0, 40)])
def test_of_the_transactions_the_part_that_is_set_is_sent_and_of_the_others_all(ratio: float, expected: int) -> None:
    with receiver() as (endpoint, received):
        told(endpoint, [COMMITTED] * 40 + [TAKEN], ratio)
    found = received.spans()
    assert (len(found.get("transaction", [])), len(found["open shard"])) == (expected, 1)


def test_without_the_packages_the_settings_are_refused_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match=r"telemetry\.traces\.endpoint") as refused:
        told("http://127.0.0.1:1/v1/traces", [])
    assert refused.value.next_step == "pip install 'chatbridge[otel]'"


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported() -> None:
    program = (
        "import sys, bridge.app\n"
        "from bridge.config import load\n"
        "from bridge.worker_factories import telemetry_of\n"
        "telemetry_of(load(None, {}, {})).close()\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
