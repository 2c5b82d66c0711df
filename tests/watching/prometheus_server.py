"""A Prometheus that scrapes workers over TLS once a second and evaluates rules, on a free port of 127.0.0.1."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any, Final, Self

import yaml

from bridge.sandbox.process import free_ports
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

JOB: Final = "chatbridge"
NAMESPACE: Final = "live"


class PrometheusServer:
    """A context manager. `rules` is a rule file as a mapping, `targets` are addresses (host:port)."""

    def __init__(self, folder: Path, rules: Mapping[str, Any], targets: Sequence[str]) -> None:
        [self.port] = free_ports(1)
        self._log = folder / "prometheus.log"
        rule_file, settings = folder / "rules.yaml", folder / "prometheus.yml"
        rule_file.write_text(yaml.safe_dump(dict(rules)), encoding="utf-8")
        job = {
            "job_name": JOB,
            "scheme": "https",
            "static_configs": [{"targets": list(targets), "labels": {"namespace": NAMESPACE}}],
        }
        content = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rule_file)],
            "scrape_configs": [job],
        }
        settings.write_text(yaml.safe_dump(content), encoding="utf-8")
        program = shutil.which("prometheus")
        assert program, "prometheus is missing (Debian: apt-get install prometheus); `make watching-alerts` installs it"
        self._command = [
            program,
            f"--config.file={settings}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def __enter__(self) -> Self:
        with self._log.open("wb") as sink:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        try:
            wait_for(self._ready, 30, lambda: f"Prometheus is not ready: {self._log.read_text('utf-8')[-2000:]}")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end()

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the series of an instant query, each with `metric` and `value`."""
        answer = self._get("/api/v1/query?" + urllib.parse.urlencode({"query": expr}))
        return list(json.loads(answer)["data"]["result"])

    def value(self, expr: str) -> float | None:
        """Return the value of a query with one series, None when there is none."""
        found = self.query(expr)
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        found = json.loads(self._get("/api/v1/alerts"))["data"]["alerts"]
        return {one["labels"]["alertname"] for one in found if one["state"] == "firing"}

    def wait_firing(self, names: Collection[str], seconds: float) -> None:
        """Wait until each of these alerts has fired."""
        seen = set[str]()

        def all_seen() -> bool:
            seen.update(self.firing())
            return seen >= set(names)

        wait_for(all_seen, seconds, lambda: f"does not fire: {sorted(set(names) - seen)}", poll=0.3)

    def wait_quiet(self, names: Collection[str], seconds: float) -> None:
        """Wait until none of these alerts fires."""
        wait_for(
            lambda: not self.firing() & set(names),
            seconds,
            lambda: f"still fires: {sorted(self.firing() & set(names))}",
            poll=0.3,
        )

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return bytes(answer.read())

    def _ready(self) -> bool:
        assert self._child.poll() is None, self._log.read_text("utf-8")[-2000:]
        try:
            return bool(self._get("/-/ready"))
        except (OSError, urllib.error.HTTPError):
            return False

    def _end(self) -> None:
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
