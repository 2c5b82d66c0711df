"""Why a client cannot use a Kafka broker: a closed set of causes, each with a sentence of its own and a next step.

aiokafka logs the cause and raises KafkaConnectionError without it. So `connection_probe` connects by itself; this
module says what the outcome means. Pure. No sentence holds a secret, nor text that the broker sent.
"""

from __future__ import annotations

import enum
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka.errors import SaslAuthenticationFailed

from bridge.adapters.kafka.connection_codes import (
    KAFKA_AUTHENTICATION_FAILED,
    KAFKA_AUTHORITY_UNKNOWN,
    KAFKA_CERTIFICATE_EXPIRED,
    KAFKA_CERTIFICATE_INVALID,
    KAFKA_CLOSES,
    KAFKA_MECHANISM_UNKNOWN,
    KAFKA_NAME_MISMATCH,
    KAFKA_NAME_UNKNOWN,
    KAFKA_PASSWORD_REFUSED,
    KAFKA_REFUSES,
    KAFKA_REFUSES_CERTIFICATE,
    KAFKA_SILENT,
    KAFKA_TOKEN_REFUSED,
    KAFKA_TOKEN_UNAVAILABLE,
    KAFKA_UNREACHABLE,
    KAFKA_USES_TLS,
    KAFKA_WANTS_CERTIFICATE,
    KAFKA_WANTS_SASL,
    KAFKA_WITHOUT_SASL,
    KAFKA_WITHOUT_TLS,
)
from bridge.adapters.kafka.oauth_tokens import TokenUnavailable
from bridge.certificate_faults import CertificateFault, certificate_fault
from bridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stage(enum.Enum):
    """The steps of a connection, in order."""

    RESOLVE = "look up the host's name"
    CONNECT = "connect"
    ENCRYPT = "agree on TLS"
    ANSWER = "answer a first request"
    AUTHENTICATE = "check the user"


@dataclass(slots=True, frozen=True)
class ClientFacts:
    """What a client's settings say about its connections, without secrets; file names as they were given."""

    protocol: str = "PLAINTEXT"
    mechanism: str = "PLAIN"
    user: str | None = None
    password_file: str | None = None
    authority_file: str | None = None
    certificate_file: str | None = None

    @classmethod
    def of(cls, client: Mapping[str, Any]) -> ClientFacts:
        """Return the facts of a checked `kafka.client`."""
        return cls(
            protocol=client.get("security_protocol", "PLAINTEXT"),
            mechanism=client.get("sasl_mechanism", "PLAIN"),
            user=client.get("sasl_plain_username"),
            password_file=client.get("sasl_plain_password_file"),
            authority_file=client.get("ssl_cafile"),
            certificate_file=client.get("ssl_certfile"),
        )

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol.endswith("SSL")

    @property
    def sasl(self) -> bool:
        """Whether the client shows credentials by SASL."""
        return self.protocol.startswith("SASL")


@dataclass(slots=True, frozen=True)
class ConnectionOutcome:
    """How far a connection came: `error` ended it at `stage`; None: every step succeeded.

    `other_way`: after an error, whether the port answers a client with TLS if this one is without, or without TLS if
    this one is with. `certificate`: the broker's, as `ssl.SSLSocket.getpeercert` gives it, where the error is about
    it. `mechanisms`: what the broker offers, empty where it does not authenticate by SASL.
    """

    host: str
    port: int
    stage: Stage
    error: Exception | None = None
    other_way: bool = False
    certificate: Mapping[str, Any] = field(default_factory=dict)
    mechanisms: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class Cause:
    """Why a broker cannot be used. `code` is one of CONNECTION_CODES, or that of AccessDenied."""

    code: str
    message: str
    next_step: str

    @property
    def problem(self) -> Problem:
        """The code and both texts."""
        return Problem(self.code, str(self))

    def __str__(self) -> str:
        """Both texts on one line."""
        return f"{self.message} ({self.next_step})"


def cause_of(outcome: ConnectionOutcome, client: ClientFacts) -> Cause | None:
    """Return why the connection failed, or will; None when nothing is wrong with it."""
    kafka, error = f"Kafka at {outcome.host}:{outcome.port}", outcome.error
    if outcome.stage is Stage.AUTHENTICATE:
        return _authentication(kafka, outcome, client)
    if error is None:
        return None
    if outcome.stage in {Stage.RESOLVE, Stage.CONNECT}:
        return _reaching(kafka, outcome.host, error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(kafka, outcome, error, client)
    return _answering(kafka, outcome, error, client)


def _answering(kafka: str, outcome: ConnectionOutcome, error: Exception, client: ClientFacts) -> Cause:
    if outcome.other_way:
        return _other_protocol(kafka, client)
    if isinstance(error, TimeoutError):
        return Cause(
            KAFKA_SILENT,
            f"{kafka} accepts connections but does not answer",
            "look at the broker's log, and at proxies and firewalls on the way",
        )
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return _alert(kafka, error, client)
    return Cause(
        KAFKA_CLOSES,
        f"{kafka} closes the connection when asked to {outcome.stage.value}: {type(error).__name__}",
        "look at the broker's log; compare kafka.client.security_protocol with its listener",
    )


def _reaching(kafka: str, host: str, error: Exception) -> Cause:
    check = "check kafka.bootstrap_servers and the network"
    if isinstance(error, socket.gaierror | UnicodeError):
        return Cause(KAFKA_NAME_UNKNOWN, f"{kafka} cannot be found: the name {host} has no address", check)
    if isinstance(error, ConnectionRefusedError):
        next_step = "check kafka.bootstrap_servers, and that the broker runs"
        return Cause(KAFKA_REFUSES, f"{kafka} does not answer: it refuses the connection", next_step)
    why = "no answer to the attempt" if isinstance(error, TimeoutError) else type(error).__name__
    return Cause(KAFKA_UNREACHABLE, f"{kafka} cannot be reached: {why}", check)


def _other_protocol(kafka: str, client: ClientFacts) -> Cause:
    setting = f"kafka.client.security_protocol is {client.protocol}"
    if client.tls:
        return Cause(
            KAFKA_WITHOUT_TLS,
            f"{kafka} does not use TLS on this port, and {setting}",
            "set kafka.client.security_protocol to PLAINTEXT or SASL_PLAINTEXT, or name the port with TLS",
        )
    return Cause(
        KAFKA_USES_TLS,
        f"{kafka} uses TLS on this port, and {setting}",
        "set kafka.client.security_protocol to SSL or SASL_SSL, or name a port without TLS",
    )


def _certificate(
    kafka: str, outcome: ConnectionOutcome, error: ssl.SSLCertVerificationError, client: ClientFacts
) -> Cause:
    fault = certificate_fault(error)
    if fault is CertificateFault.UNTRUSTED:
        authorities = client.authority_file or "this machine's certificate store"
        return Cause(
            KAFKA_AUTHORITY_UNKNOWN,
            f"{kafka} has a certificate that no authority in {authorities} has signed",
            "set kafka.client.ssl_cafile to a file with the authority of the broker's certificate",
        )
    if fault is CertificateFault.OTHER_NAME:
        names = ", ".join(value for _, value in outcome.certificate.get("subjectAltName", ())) or "another name"
        return Cause(
            KAFKA_NAME_MISMATCH,
            f"{kafka} has a certificate for {names}, not for {outcome.host}",
            "use a name of the certificate in kafka.bootstrap_servers and in the broker's advertised.listeners, or "
            "have it issued for this one, too",
        )
    if fault is CertificateFault.EXPIRED:
        ends = outcome.certificate.get("notAfter")
        return Cause(
            KAFKA_CERTIFICATE_EXPIRED,
            f"{kafka} has a certificate that expired{f' on {ends}' if ends else ''}",
            "renew the certificate on the broker; if the date is wrong, set this machine's clock",
        )
    return Cause(
        KAFKA_CERTIFICATE_INVALID,
        f"{kafka} has a certificate that is not valid: {error.verify_message}",
        "have the broker's certificate issued anew",
    )


def _alert(kafka: str, error: ssl.SSLError, client: ClientFacts) -> Cause:
    """Return why the broker refuses TLS: nearly always because of the client's certificate, which TLS asks for last."""
    if client.certificate_file is None:
        return Cause(
            KAFKA_WANTS_CERTIFICATE,
            f"{kafka} wants a client certificate, and kafka.client.ssl_certfile is not set",
            "set kafka.client.ssl_certfile and ssl_keyfile to a certificate that the broker accepts",
        )
    return Cause(
        KAFKA_REFUSES_CERTIFICATE,
        f"{kafka} refuses the client certificate in {client.certificate_file}: {error.reason}",
        "check who signed it and when it ends; the broker's ssl.truststore must hold its authority",
    )


def _authentication(kafka: str, outcome: ConnectionOutcome, client: ClientFacts) -> Cause | None:
    if client.sasl and not outcome.mechanisms:
        return Cause(
            KAFKA_WITHOUT_SASL,
            f"{kafka} does not ask for a user on this port, and kafka.client.security_protocol is {client.protocol}",
            f"set kafka.client.security_protocol to {client.protocol.removeprefix('SASL_')}, or name a port with SASL",
        )
    if not client.sasl and outcome.mechanisms:
        return Cause(
            KAFKA_WANTS_SASL,
            f"{kafka} asks for a user, and kafka.client.security_protocol is {client.protocol}",
            f"set kafka.client.security_protocol to SASL_{client.protocol}, and sasl_mechanism to one of "
            f"{', '.join(outcome.mechanisms)}",
        )
    if client.sasl and client.mechanism not in outcome.mechanisms:
        return Cause(
            KAFKA_MECHANISM_UNKNOWN,
            f"{kafka} does not offer {client.mechanism}; it offers {', '.join(outcome.mechanisms)}",
            "set kafka.client.sasl_mechanism to one of these",
        )
    return None if outcome.error is None else _refused(kafka, outcome.error, client)


def _refused(kafka: str, error: Exception, client: ClientFacts) -> Cause:
    """Return why authentication failed by a mechanism that the broker offers."""
    if isinstance(error, TokenUnavailable):
        return Cause(
            KAFKA_TOKEN_UNAVAILABLE,
            f"{kafka} asks for a token, and there is {error.args[0]}",
            "check kafka.oauth, and that the endpoint can be reached from here",
        )
    if client.mechanism == "OAUTHBEARER":
        return Cause(
            KAFKA_TOKEN_REFUSED,
            f"{kafka} refuses the token (OAUTHBEARER)",
            "compare issuer, audience, time and signature with what the broker expects; look at its log",
        )
    if isinstance(error, SaslAuthenticationFailed):
        place = client.password_file or "kafka.client.sasl_plain_password"
        return Cause(
            KAFKA_PASSWORD_REFUSED,
            f"{kafka} refuses the user {client.user} or the password in {place} ({client.mechanism})",
            f"check kafka.client.sasl_plain_username and the password; on Kafka the user needs one for "
            f"{client.mechanism}",
        )
    return Cause(
        KAFKA_AUTHENTICATION_FAILED,
        f"{kafka} does not authenticate this client by {client.mechanism}: {type(error).__name__}",
        "look at the broker's log",
    )
