"""Time stamps of an authority that openssl plays: what it vouches for is kept, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.timestamping.stamp_authority import StampAuthority
from bridge.adapters.timestamping.stamp_checks import LARGEST_REPLY, StampChecks
from bridge.config import load
from bridge.errors import ConfigError, EnvironmentFault, StampInvalid, StampUnavailable, VerificationFailed
from tests.evidence.time_stamp_authority import StampServer, TimeStampAuthority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = b"origin\n1\nroot\n\n\xe2\x80\x94 origin signature\n"
MINUTE = 60_000_000


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimeStampAuthority:
    return TimeStampAuthority(tmp_path_factory.mktemp("tsa") / "one")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> TimeStampAuthority:
    return TimeStampAuthority(tmp_path_factory.mktemp("tsa") / "two")


def asked(url: str, authority: TimeStampAuthority, now: int | None = None) -> bytes:
    checks = StampChecks.with_file(authority.ca_file, "--timestamp-ca")
    at = checks(authority.stamp(b"now"), b"now") if now is None else now
    return asyncio.run(StampAuthority(url, checks, lambda: at, timeout_seconds=10).stamp(HEAD))


def test_what_is_kept_openssl_verifies(authority: TimeStampAuthority) -> None:
    with StampServer(authority) as server:
        reply = asked(server.url, authority)
    assert authority.verified_by_openssl(reply, HEAD)
    assert not authority.verified_by_openssl(reply, HEAD + b"\n")
    with pytest.raises(VerificationFailed, match="Mismatch between messages"):
        StampChecks.with_file(authority.ca_file, "--timestamp-ca")(reply, HEAD + b"\n")


LIES: dict[str, Callable[[TimeStampAuthority, TimeStampAuthority, bytes], tuple[int, bytes]]] = {
    "an earlier reply": lambda one, _, __: (200, one.stamp(HEAD)),
    "a stamp of something else": lambda one, _, __: (200, one.stamp(b"something else")),
    "a stamp of another authority": lambda _, two, query: (200, two.reply(query)),
    "no stamp": lambda _, __, ___: (200, b"<html>"),
    "nothing": lambda _, __, ___: (200, b""),
    "half a stamp": lambda one, _, query: (200, one.reply(query)[:-100]),
    "too much": lambda one, _, query: (200, one.reply(query) + bytes(LARGEST_REPLY)),
    "a refusal": lambda one, _, __: (200, one.reply(b"no query")),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_an_authority_cannot_prove_is_not_kept(
    lie: str, authority: TimeStampAuthority, other: TimeStampAuthority
) -> None:
    with (
        StampServer(authority, lambda query: LIES[lie](authority, other, query)) as server,
        pytest.raises(StampInvalid),
    ):
        asked(server.url, authority)


def test_a_time_far_from_the_clock_is_not_kept(authority: TimeStampAuthority) -> None:
    now = StampChecks.with_file(authority.ca_file, "--timestamp-ca")(authority.stamp(b"now"), b"now")
    with StampServer(authority) as server:
        asked(server.url, authority, now - 4 * MINUTE)
        for off in (-20 * MINUTE, 20 * MINUTE):
            with pytest.raises(StampInvalid, match="from the worker's clock"):
                asked(server.url, authority, now + off)


@pytest.mark.parametrize("status", [302, 404, 503])
def test_an_error_is_no_stamp(status: int, authority: TimeStampAuthority) -> None:
    with (
        StampServer(authority, lambda query: (status, authority.reply(query))) as server,
        pytest.raises(StampUnavailable, match=f"answered {status}"),
    ):
        asked(server.url, authority)


def test_an_authority_that_is_away_is_told(authority: TimeStampAuthority) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        with pytest.raises(StampUnavailable, match="does not answer"):
            asked(url, authority)


def test_the_certificates_have_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", "utf-8")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(EnvironmentFault, match=r"evidence\.timestamp_ca_file"):
            StampChecks.with_file(tmp_path / name, "evidence.timestamp_ca_file")


@pytest.mark.parametrize(
    "flags",
    [
        {"evidence.timestamp_url": "http://tsa", "evidence.signing_key_file": "key.pem"},
        {"evidence.timestamp_ca_file": "ca.pem", "evidence.signing_key_file": "key.pem"},
        {"evidence.timestamp_url": "http://tsa", "evidence.timestamp_ca_file": "ca.pem"},
        {"evidence.timestamp_url": "tsa", "evidence.timestamp_ca_file": "ca.pem"},
    ],
)
def test_settings_that_do_not_go_together_are_refused(flags: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="evidence"):
        load(None, {}, dict(flags))
