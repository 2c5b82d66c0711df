"""`chatbridge doctor` on a Kafka with TLS, passwords and permissions: faults of connections, and missing rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.sandbox.process import free_ports
from tests.integration.connection_faults import CANARIES, FAULTS, flags_of
from tests.integration.e2e_environment import E2EEnvironment
from tests.integration.healthy_installation import Line, doctor, failures, of
from tests.integration.user_rights import Rights, chatbridge, tries
from tests.support.secured_broker import PASSWORD, SecuredBroker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONNECTIONS = [
    "KAFKA_PASSWORD_REFUSED",
    "KAFKA_AUTHORITY_UNKNOWN",
    "KAFKA_NAME_MISMATCH",
    "KAFKA_CERTIFICATE_EXPIRED",
    "KAFKA_WANTS_CERTIFICATE",
    "KAFKA_USES_TLS",
]


def said(lines: list[Line]) -> str:
    return " ".join(f"{line['subject']} {line['detail']} {line['next']}" for line in lines)


@pytest.mark.parametrize("code", CONNECTIONS)
def test_a_connection_that_fails_is_named_and_nothing_else_is_blamed(
    secured_broker: SecuredBroker, tmp_path: Path, code: str
) -> None:
    fault, sentence, words = FAULTS[code]
    settings = {**flags_of(*fault(secured_broker, tmp_path)), "http.port": free_ports(1)[0]}
    exit_code, lines = doctor(settings)
    assert exit_code == 1
    expected = {("kafka connection", code)}
    if code == "KAFKA_CERTIFICATE_EXPIRED":
        expected.add(("server certificates", "CERTIFICATE_ENDED"))
    assert failures(lines) == expected
    line = of(lines, "kafka connection", code)
    assert sentence in line["detail"]
    assert [word for word in words if word not in said([line])] == []
    assert [canary for canary in CANARIES if canary in said(lines)] == []
    assert PASSWORD not in said(lines)


@pytest.fixture
def rights(secured_broker: SecuredBroker, tmp_path: Path) -> Iterator[Rights]:
    found = Rights(
        secured_broker, E2EEnvironment(secured_broker.bootstrap_servers, tmp_path, **secured_broker.settings)
    )
    yield found
    found.only([])


def examined(rights: Rights) -> tuple[int, list[Line]]:
    words = rights.flags
    settings = dict(word.split("=", 1) for word in words[1::2])
    code, lines = doctor({**settings, "http.port": free_ports(1)[0]})
    assert PASSWORD not in said(lines)
    return code, lines


UNNEEDED = {("retention", "ACCESS_DENIED"), ("clock", "ACCESS_DENIED"), ("broker limits", "ACCESS_DENIED")}


def not_checked(lines: list[Line]) -> set[tuple[str, str]]:
    found = {(line["check"], line["code"]) for line in lines if line["state"] == "not checked"}
    return {each for each in found if each[1] == "ACCESS_DENIED"}


@tries("topics apply", "run", "doctor")
def test_rights_are_asked_for_and_those_of_the_examination_itself_are_no_failure(rights: Rights) -> None:
    rights.exactly("topics apply")
    assert chatbridge("topics", "apply", *rights.flags).returncode == 0
    worker, own = rights.printed("run"), rights.printed("doctor")
    rights.exactly("run")
    code, lines = examined(rights)
    assert (code, failures(lines)) == (0, set())
    assert not_checked(lines) == UNNEEDED
    assert "--operation Describe --cluster" in said(lines)
    assert "`chatbridge acls --for doctor`" in said(lines)
    assert "CERTIFICATE_ENDS_SOON" in {line["code"] for line in lines if line["check"] == "server certificates"}
    rights.only([*worker, *own])
    code, lines = examined(rights)
    assert (code, failures(lines), not_checked(lines)) == (0, set(), set())
    assert {line["state"] for line in lines if line["check"] == "kafka rights"} == {"ok"}
    assert rights.denials() == []
    rights.exactly("doctor")
    code, lines = examined(rights)
    assert code == 1
    assert {check for check, _ in failures(lines)} == {"kafka rights"}, "all but the rights of a worker is looked at"
    assert rights.denials() == []


def test_a_missing_right_is_named_with_how_to_grant_it(rights: Rights) -> None:
    rights.only(rights.printed("topics apply"))
    assert chatbridge("topics", "apply", *rights.flags).returncode == 0
    worker = rights.printed("run")
    withdrawn = next(one for one in worker if one[1] == rights.environment.topic("events") and one[2] == "Write")
    rights.only([one for one in worker if one != withdrawn])
    code, lines = examined(rights)
    assert (code, failures(lines)) == (1, {("kafka rights", "ACCESS_DENIED")})
    line = of(lines, "kafka rights", "ACCESS_DENIED")
    assert line["subject"] == f"topic {rights.environment.topic('events')}"
    assert f"--operation Write --topic {rights.environment.topic('events')}" in line["next"]
    rights.only([one for one in worker if one[0] != "--group"])
    _, lines = examined(rights)
    assert failures(lines) == {("kafka rights", "ACCESS_DENIED")}
    line = of(lines, "consumer group", "BLOCKED")
    assert line["state"] == "not checked"
    assert "see `kafka rights`" in line["detail"]
