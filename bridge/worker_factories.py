"""Builds what a worker has and a command does not: its HTTP servers, its telemetry, and what it says of itself."""

from __future__ import annotations

import hashlib
import json
import platform
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import aiokafka

from bridge import __version__, logs
from bridge.adapters.http.access import AccessTokens
from bridge.adapters.http.administration import AdministrationApi
from bridge.adapters.http.http_server import Api, HttpServer, Listener
from bridge.adapters.http.status_report import StatusApi
from bridge.adapters.open_tasks import open_tasks
from bridge.adapters.process_limits import memory_limit
from bridge.config import origins
from bridge.core_form import core_form
from bridge.otlp_traces import OtlpTraces
from bridge.secret_files import FileBacked
from bridge.status_reports import WorkerIdentity
from bridge.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.adapters.http.status_report import ReportSource
    from bridge.config import Config
    from bridge.facts import Fact
    from bridge.secrets_watch import SecretsWatch
    from bridge.status import WorkerStatus

_HASH_DIGITS: Final = 12


def identity_of(config: Config) -> WorkerIdentity:
    """Return what the worker of this process is called."""
    return WorkerIdentity(
        version=__version__,
        worker=config.worker_id,
        host=socket.gethostname(),
        group=config.kafka.group,
        site=config.site,
        client_version=config.sources.chat_server.client_version,
    )


def listeners_of(config: Config, secrets: SecretsWatch) -> list[Listener]:
    """Return where the HTTP server listens: one place, or a second one for probes and metrics.

    The files of tokens and certificate are added to `secrets`.
    """
    http = config.http
    tokens, tls = http.tokens(), http.tls.context()
    secrets.add_context("http", tls)
    for name, token in tokens.items():
        secrets.add(f"http_{name}", token if isinstance(token, FileBacked) else None)
    listener = Listener(
        host=http.host,
        port=http.port,
        tls=tls,
        access=AccessTokens(
            admin=tokens.get("token"),
            read=tokens.get("read_token"),
            announce=tokens.get("announce_token"),
            metrics=tokens.get("metrics_token"),
            open_metrics=http.open_metrics,
        ),
        requests_per_second=http.requests_per_second,
        failed_tokens_per_minute=http.failed_tokens_per_minute,
    )
    if http.probes_port is None:
        return [listener]
    return [listener, replace(listener, host=http.probes_host, port=http.probes_port, only_probes=True)]


def servers_of(
    config: Config, secrets: SecretsWatch, view: WorkerStatus, emit: Callable[[Fact], None], reports: ReportSource
) -> list[HttpServer]:
    """Return the HTTP servers of a worker: one for each listener. `emit` takes what they tell of requests."""
    apis: list[Api] = [StatusApi(reports), AdministrationApi(view, emit)]
    return [HttpServer(view, each, apis=apis, emit=emit) for each in listeners_of(config, secrets)]


def described(config: Config) -> dict[str, str]:
    """Return what runs: the versions, and a hash of the settings without secrets and without what is this worker's."""
    shown = [[key, value] for key, value, _ in origins(config) if key != "worker_id"]
    lists = config.model_dump_json(include={"outputs", "privacy"})  # of which `shown` has the names only
    digest = hashlib.sha256(json.dumps([*shown, lists], default=str).encode()).hexdigest()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "aiokafka": aiokafka.__version__,
        "core": core_form(),
        "settings": digest[:_HASH_DIGITS],
    }


def telemetry_of(config: Config) -> Telemetry:
    """Return the telemetry of a worker. Raises ConfigError when traces are wanted and their packages are missing."""
    telemetry, told = Telemetry(), described(config)
    logs.count_lines(telemetry.line_written)
    telemetry.watch_each("tasks", open_tasks)
    telemetry.watch_memory_limit(memory_limit)
    telemetry.describe(**told)
    traces = config.telemetry.traces
    if traces.endpoint is not None:
        who = {
            "service.name": "chatbridge",
            "service.version": told["version"],
            "service.namespace": config.kafka.group,
            "service.instance.id": config.worker_id,
        }
        telemetry.trace(OtlpTraces(traces.endpoint, who, traces.transactions_ratio))
    return telemetry
