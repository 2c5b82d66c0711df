"""The commands and the manifests as they are shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.field.field_environment import (
    ROOT,
    command,
    inherited_environment,
    kafka_flags,
    preconditions,
    python,
    wait_for,
)

if TYPE_CHECKING:
    from tests.field.field_environment import E2EEnvironment

pytestmark = pytest.mark.field


def test_verify_of_a_chat_that_is_not_there_is_a_finding(prepared: E2EEnvironment) -> None:
    done = command("verify", *kafka_flags(prepared), "--chat", "0000TYPO00000001")
    with preconditions():
        assert done.returncode in {0, 1}, done.stderr
    assert done.returncode == 1, done.stdout
    assert "0000TYPO00000001" in done.stdout + done.stderr


def test_verify_of_empty_topics_is_not_ok(prepared: E2EEnvironment) -> None:
    done = command("verify", *kafka_flags(prepared))
    with preconditions():
        assert "0 chats" in done.stdout or done.returncode == 1, done.stderr
    assert done.returncode == 1, done.stdout


def test_the_manifests_say_how_prometheus_gets_the_metrics(prepared: E2EEnvironment) -> None:
    with prepared.bridge(http__token="a-token-of-32-letters-for-trials") as bridge:
        with preconditions():
            wait_for(lambda: bridge.get("/livez")[0] == 200, 30, "no answer")
        status = bridge.get("/metrics")[0]
    with preconditions():
        assert status in {200, 401, 404}
    shipped = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "deploy").rglob("*") if path.is_file())
    told = any(word in shipped for word in ("ServiceMonitor", "PodMonitor", "prometheus.io/scrape"))
    assert status == 200 or told


def test_the_metrics_have_a_token_or_a_listener_of_their_own() -> None:
    done = command("config")
    with preconditions():
        assert done.returncode == 0, done.stderr
        assert "token_file" in done.stdout
    assert "metrics" in done.stdout


UNKNOWN_USER = """
import pwd, sys
def getpwuid(uid):
    raise KeyError(uid)
pwd.getpwuid = getpwuid
sys.argv = ["chatbridge", "demo"]
from bridge.cli import main
sys.exit(main())
"""


def test_demo_without_a_home_directory_says_what_to_set() -> None:
    done = python("-c", UNKNOWN_USER, environment={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"})
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 3, done.stderr
    assert "HOME" in done.stderr
    assert "CHATBRIDGE_CACHE" in done.stderr


def test_the_variable_of_the_cache_is_no_unknown_setting() -> None:
    done = command("config", environment=inherited_environment(CHATBRIDGE_CACHE="/nowhere"))
    assert done.returncode == 0, done.stderr
