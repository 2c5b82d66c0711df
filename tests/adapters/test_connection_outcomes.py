"""What the outcome of a probing connection means; with real brokers: tests/integration/test_connection_causes.py."""

from __future__ import annotations

import socket
import ssl

import pytest
from aiokafka.errors import SaslAuthenticationFailed

from bridge.adapters.kafka.connection_causes import ClientFacts, ConnectionOutcome, Stage, cause_of

SCRAM = ClientFacts(
    "SASL_SSL", "SCRAM-SHA-512", user="bridge", password_file="/run/secret", authority_file="/etc/ca.pem"
)
MUTUAL = ClientFacts("SSL", certificate_file="/etc/client.pem")


def verification(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "as OpenSSL says it"
    return error


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError()
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("client", "stage", "error", "code"),
    [
        (SCRAM, Stage.RESOLVE, socket.gaierror(), "KAFKA_NAME_UNKNOWN"),
        (SCRAM, Stage.RESOLVE, UnicodeError(), "KAFKA_NAME_UNKNOWN"),
        (SCRAM, Stage.CONNECT, ConnectionRefusedError(), "KAFKA_REFUSES"),
        (SCRAM, Stage.CONNECT, TimeoutError(), "KAFKA_UNREACHABLE"),
        (SCRAM, Stage.CONNECT, OSError(), "KAFKA_UNREACHABLE"),
        (SCRAM, Stage.ENCRYPT, TimeoutError(), "KAFKA_SILENT"),
        (SCRAM, Stage.ENCRYPT, ConnectionResetError(), "KAFKA_CLOSES"),
        (SCRAM, Stage.ENCRYPT, verification(10), "KAFKA_CERTIFICATE_EXPIRED"),
        (SCRAM, Stage.ENCRYPT, verification(19), "KAFKA_AUTHORITY_UNKNOWN"),
        (SCRAM, Stage.ENCRYPT, verification(62), "KAFKA_NAME_MISMATCH"),
        (SCRAM, Stage.ENCRYPT, verification(23), "KAFKA_CERTIFICATE_INVALID"),
        (SCRAM, Stage.ANSWER, alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "KAFKA_WANTS_CERTIFICATE"),
        (MUTUAL, Stage.ANSWER, alert("SSLV3_ALERT_BAD_CERTIFICATE"), "KAFKA_REFUSES_CERTIFICATE"),
        (SCRAM, Stage.ANSWER, EOFError(), "KAFKA_CLOSES"),
    ],
)
def test_every_error_has_a_cause(client: ClientFacts, stage: Stage, error: Exception, code: str) -> None:
    cause = cause_of(ConnectionOutcome("broker", 9093, stage, error), client)
    assert cause is not None
    assert cause.code == code
    assert cause.message.startswith("Kafka at broker:9093 ")
    assert cause.next_step


@pytest.mark.parametrize(
    ("client", "mechanisms", "error", "code"),
    [
        (SCRAM, ("SCRAM-SHA-512",), SaslAuthenticationFailed(), "KAFKA_PASSWORD_REFUSED"),
        (SCRAM, ("SCRAM-SHA-512",), AssertionError(), "KAFKA_AUTHENTICATION_FAILED"),
        (SCRAM, ("PLAIN", "GSSAPI"), None, "KAFKA_MECHANISM_UNKNOWN"),
        (SCRAM, (), None, "KAFKA_WITHOUT_SASL"),
        (MUTUAL, ("PLAIN",), None, "KAFKA_WANTS_SASL"),
        (SCRAM, ("SCRAM-SHA-512", "PLAIN"), None, None),
        (MUTUAL, (), None, None),
    ],
)
def test_authentication(
    client: ClientFacts, mechanisms: tuple[str, ...], error: Exception | None, code: str | None
) -> None:
    cause = cause_of(ConnectionOutcome("b", 1, Stage.AUTHENTICATE, error, mechanisms=mechanisms), client)
    assert (None if cause is None else cause.code) == code


@pytest.mark.parametrize(
    ("client", "code"), [(SCRAM, "KAFKA_WITHOUT_TLS"), (ClientFacts(), "KAFKA_USES_TLS")], ids=["TLS", "plaintext"]
)
def test_a_port_that_answers_the_other_way(client: ClientFacts, code: str) -> None:
    cause = cause_of(ConnectionOutcome("b", 1, Stage.ANSWER, TimeoutError(), other_way=True), client)
    assert cause is not None
    assert cause.code == code


def test_files_and_the_brokers_list_are_named() -> None:
    refused = ConnectionOutcome("b", 1, Stage.AUTHENTICATE, SaslAuthenticationFailed(), mechanisms=("SCRAM-SHA-512",))
    assert "/run/secret" in str(cause_of(refused, SCRAM))
    assert "/etc/ca.pem" in str(cause_of(ConnectionOutcome("b", 1, Stage.ENCRYPT, verification(20)), SCRAM))
    assert "/etc/client.pem" in str(cause_of(ConnectionOutcome("b", 1, Stage.ANSWER, alert("ALERT")), MUTUAL))
    other = ConnectionOutcome("b", 1, Stage.AUTHENTICATE, mechanisms=("PLAIN", "GSSAPI"))
    assert "it offers PLAIN, GSSAPI" in str(cause_of(other, SCRAM))
