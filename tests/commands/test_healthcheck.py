from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from bridge.cli import main
from bridge.sandbox.process import free_ports
from tests.support.threaded_server import QuietHandler, ThreadedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = "CHATBRIDGE_HTTP__PORT"
PROBES_PORT = "CHATBRIDGE_HTTP__PROBES_PORT"


class _Live(QuietHandler):
    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        self.answer(HTTPStatus.OK if self.path == "/livez" else HTTPStatus.NOT_FOUND, b"")


@pytest.fixture
def live_port() -> Iterator[str]:
    """Give the port of a worker that lives."""
    with ThreadedServer(_Live) as server:
        yield server.base_url.rpartition(":")[2]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "*"])  # noqa: S104
def test_a_live_worker_is_exit_code_0_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], live_port: str, host: str
) -> None:
    monkeypatch.setenv(PORT, live_port)
    monkeypatch.setenv("CHATBRIDGE_HTTP__TOKEN", "a-long-enough-token")
    assert main(["healthcheck", "--set", f"http.host={host}"]) == 0
    assert capfd.readouterr() == ("", "")


def test_the_listener_for_probes_is_asked_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], live_port: str
) -> None:
    [closed] = free_ports(1)
    monkeypatch.setenv(PORT, str(closed))
    monkeypatch.setenv(PROBES_PORT, live_port)
    assert main(["healthcheck"]) == 0
    monkeypatch.setenv(PORT, live_port)
    monkeypatch.setenv(PROBES_PORT, str(closed))
    assert main(["healthcheck"]) == 1
    assert capfd.readouterr().err.startswith(f"chatbridge: no live worker on port {closed}: ")


def test_a_port_that_nobody_knows_is_a_wrong_setting(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["healthcheck", "--set", "http.port=0"]) == 2
    assert "set http.port or http.probes_port" in capfd.readouterr().err
