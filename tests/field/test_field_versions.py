"""State that another version or another registry stands behind is read all the same (P7)."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from bridge.sandbox import LocalRegistry
from tests.field.field_environment import (
    PreconditionFailed,
    capturing,
    follows_all,
    kafka_flags,
    preconditions,
    python,
    run_by,
)
from tests.support.next_version import make_next_version
from tests.support.written_values import WrittenValues

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.field.field_environment import E2EEnvironment

pytestmark = pytest.mark.field

REGISTRY = "schema_registry.url"


def verify(prepared: E2EEnvironment, *program: str, registry: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `verify` over the topics of a test, of this version or of another program."""
    more = () if registry is None else ("--set", f"{REGISTRY}={registry}")
    return python(*(program or ("-m", "bridge")), "verify", *kafka_flags(prepared), *more)


def test_verify_of_the_next_version_reads_the_records_of_this_one(prepared: E2EEnvironment) -> None:
    program = make_next_version(prepared.folder)
    with prepared.chats() as chats, prepared.bridge() as bridge:
        capturing(bridge)
        chats.terminate()
        with preconditions():
            assert prepared.compare_when_closed(chats).clean
    this = verify(prepared)
    if this.returncode:
        raise PreconditionFailed(this.stdout)
    done = verify(prepared, str(program))
    assert done.returncode == 0, done.stdout[:300] + done.stderr[-300:]
    assert done.stdout.endswith(": ok\n")


def test_the_next_version_goes_on_with_the_checkpoints_of_this_one(prepared: E2EEnvironment) -> None:
    program = make_next_version(prepared.folder)
    with prepared.chats():
        with prepared.bridge() as this:
            capturing(this)
            this.terminate()
        with prepared.bridge("worker-2", make=run_by(program)) as later:
            follows_all(later)


def test_this_version_goes_on_with_the_checkpoints_of_the_next_one(
    prepared: E2EEnvironment, registries: tuple[str, str]
) -> None:
    program = make_next_version(prepared.folder)
    prepared.values = WrittenValues(None, prepared.folder / "next" / "schemas")
    with prepared.chats() as chats:
        with prepared.bridge("worker-2", make=run_by(program)) as later:
            capturing(later)
            later.terminate()
        with prepared.bridge() as this:
            follows_all(this)
            chats.terminate()
            result = prepared.compare_when_closed(chats)
            assert result.clean, str(result)
            assert result.amendments == 0
    assert verify(prepared, str(program)).returncode == 0
    for registry in (None, registries[0], "http://127.0.0.1:1"):
        done = verify(prepared, registry=registry)
        assert done.returncode == 3, done.stdout
        assert "cannot be read: schema " in done.stdout
        assert " is not known" in done.stdout
        assert "BROKEN" not in done.stdout
        assert not done.stdout.endswith(": ok\n")


def test_verify_of_this_version_reads_the_records_of_the_next_one_with_the_registry(
    prepared: E2EEnvironment, registries: tuple[str, str]
) -> None:
    registry = registries[1]
    program = make_next_version(prepared.folder)
    prepared.values = WrittenValues(registry)
    with prepared.chats() as chats:
        with prepared.bridge(schema_registry__url=registry) as this:
            capturing(this)
            this.terminate()
        with prepared.bridge("worker-2", make=run_by(program), schema_registry__url=registry) as later:
            follows_all(later)
            chats.terminate()
            result = prepared.compare_when_closed(chats)
            assert result.clean, str(result)
            assert result.amendments == 0
    done = verify(prepared, registry=registry)
    assert done.returncode == 0, done.stdout
    assert verify(prepared).returncode == 3
    unreachable = verify(prepared, registry="http://127.0.0.1:1")
    assert unreachable.returncode == 3
    assert "does not answer" in unreachable.stdout
    assert "BROKEN" not in unreachable.stdout


def use_up_ids(url: str) -> None:
    """Register other schemas first, so that ours get ids that they have nowhere else."""
    for size in range(1, 10):
        body = json.dumps({"schema": json.dumps({"type": "fixed", "name": f"Other{size}", "size": size})}).encode()
        request = urllib.request.Request(f"{url}/subjects/other-{size}/versions", body, method="POST")
        request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()


@pytest.fixture(scope="module")
def registries() -> Iterator[tuple[str, str]]:
    """Give the URLs of two registries that give the same schemas different ids."""
    with LocalRegistry() as one, LocalRegistry() as other:
        use_up_ids(other.url)
        yield one.url, other.url


@pytest.mark.parametrize("afterwards", ["other registry", "no registry"])
def test_chats_are_followed_when_the_registry_gives_other_ids(
    prepared: E2EEnvironment, registries: tuple[str, str], afterwards: str
) -> None:
    one, other = registries
    with prepared.chats():
        with prepared.bridge(schema_registry__url=one) as before:
            capturing(before)
            before.terminate()
        settings: dict[str, Any] = {"schema_registry__url": other} if afterwards == "other registry" else {}
        with prepared.bridge("worker-2", **settings) as after:
            follows_all(after)
