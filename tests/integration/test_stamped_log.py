"""Time stamps of a running installation: openssl accepts what was stored, and nothing waits for an authority."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from bridge.cli import main
from bridge.errors import EXIT_OK, EXIT_RUNTIME, StampInvalid, StampUnavailable
from tests.evidence.time_stamp_authority import StampServer, TimeStampAuthority
from tests.integration.e2e_environment import E2EEnvironment
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.processes import Bridge


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StampServer]:
    with StampServer(TimeStampAuthority(tmp_path / "tsa")) as running:
        yield running


@pytest.fixture
def environment(broker: str, tmp_path: Path, server: StampServer) -> E2EEnvironment:
    found = E2EEnvironment(
        broker,
        tmp_path,
        evidence__signing_key_file=tmp_path / "signing.pem",
        evidence__anchor_seconds=1,
        evidence__timestamp_url=server.url,
        evidence__timestamp_ca_file=server.authority.ca_file,
        evidence__timestamp_seconds=1,
    )
    listed = str(tmp_path / "keys.txt")
    assert main(["keys", "new", "--out", str(tmp_path / "signing.pem"), "--list", listed, *options(found)]) == EXIT_OK
    return found


def options(environment: E2EEnvironment) -> list[str]:
    return ["--topic-prefix", environment.prefix, "--bootstrap-servers", environment.broker]


def warned(bridge: Bridge) -> list[str]:
    return [one["code"] for one in json.loads(bridge.get("/readyz")[1])["warnings"]]


def stamps(bridge: Bridge, result: str = "kept") -> float:
    return bridge.metric(f'chatbridge_time_stamps_total{{result="{result}"}}')


def test_openssl_accepts_what_is_stored_and_a_false_authority_costs_nothing(
    environment: E2EEnvironment, server: StampServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with environment.bridge() as bridge:
        bridge.wait_ready()
        with environment.chats(events_per_second=200, mean_events=12, seed=5) as chats:
            wait_for(lambda: stamps(bridge) > 0, 60, "no head is stamped")
            server.answer = lambda query: (200, server.authority.stamp(query))  # of something else
            wait_for(lambda: StampInvalid.code in warned(bridge), 60, "a lie is not told")
            server.answer = lambda _: (503, b"")
            wait_for(lambda: StampUnavailable.code in warned(bridge), 60, "its absence is not told")
            assert bridge.ready
            before = bridge.metric("chatbridge_chats_closed_total")
            wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") > before, 60, "events wait for a stamp")
            environment.finish(chats)
    keys, authority = ["--keys", str(environment.folder / "keys.txt")], server.authority
    trusted = ["--timestamp-ca", str(authority.ca_file)]
    assert main(["verify", *keys, *trusted, *options(environment)]) == EXIT_OK
    assert main(["verify", *keys, *options(environment)]) == EXIT_OK
    assert "time stamps of heads (--timestamp-ca)" in capsys.readouterr().out
    foreign = TimeStampAuthority(environment.folder / "other tsa")
    assert main(["verify", *keys, "--timestamp-ca", str(foreign.ca_file), *options(environment)]) == EXIT_RUNTIME
    proof = stamped_proof(environment, [*keys, *trusted])
    reply, head = base64.b64decode(proof["stamped"]["reply"]), proof["stamped"]["checkpoint"].encode()
    assert authority.verified_by_openssl(reply, head)
    assert not foreign.verified_by_openssl(reply, head)
    file = environment.folder / "proof.json"
    capsys.readouterr()
    assert main(["proof", "--check", str(file), *keys, *trusted]) == EXIT_OK
    assert "a time stamp proves that it was there at 20" in capsys.readouterr().out
    proof["stamped"]["reply"] = base64.b64encode(authority.stamp(b"something else")).decode()
    file.write_text(json.dumps(proof), "utf-8")
    assert main(["proof", "--check", str(file), *keys, *trusted]) == EXIT_RUNTIME


def stamped_proof(environment: E2EEnvironment, flags: list[str]) -> dict[str, dict[str, str]]:
    """Return the proof of the first chat that a stamp covers, as `proof.json` has it."""
    file = environment.folder / "proof.json"
    for session_id in environment.certificates():
        assert main(["proof", session_id, *flags, "--out", str(file), *options(environment)]) == EXIT_OK
        found: dict[str, dict[str, str]] = json.loads(file.read_text("utf-8"))
        if found["stamped"]:
            return found
    pytest.fail("no certificate is stamped")
