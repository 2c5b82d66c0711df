"""Ten ways in which a Kafka cannot be used, each with secrets that nothing may print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.sandbox.process import LOOPBACK, free_ports
from tests.support.certificates import Authority
from tests.support.secured_broker import SecuredBroker

CANARY = "canary-5ecret-5ecret"
"""A password that is wrong; it must not occur in anything that is printed."""
KEY_CANARY = "canary-6ey-6ey-6ey"
"""Password of the client's key, likewise."""
TOKEN_CANARY = "canary-7oken-7oken-7oken-7oken"
"""Token or client secret of whatever takes one, likewise."""
CANARIES = (CANARY, KEY_CANARY, TOKEN_CANARY)
TOKENS = {
    "http.token": TOKEN_CANARY,
    "kafka.oauth.client_secret": TOKEN_CANARY,
    "schema_registry.auth.bearer_token": TOKEN_CANARY,
}
"""Settings that hold tokens, next to those of the connection."""
Client = dict[str, Any]
Fault = Callable[[SecuredBroker, Path], tuple[str, Client]]


def by_password(broker: SecuredBroker, folder: Path) -> Client:
    """Return a client with a password, which is wrong, and with a certificate, whose key has a password."""
    return {**broker.scram, "sasl_plain_password": CANARY, **locked(broker, folder, KEY_CANARY)}


def by_certificate(broker: SecuredBroker, folder: Path) -> Client:
    """Return a client with a certificate, whose key has a password, and with a password that is not needed."""
    return {**broker.mutual, "sasl_plain_password": CANARY, **locked(broker, folder, KEY_CANARY)}


def locked(broker: SecuredBroker, folder: Path, password: str) -> Client:
    """Return the part of a client that names its certificate, and its key with a password."""
    key = folder / "locked-key.pem"
    key.write_bytes(broker.client.locked_key(password))
    return {"ssl_certfile": str(broker.client.certificate_file), "ssl_keyfile": str(key), "ssl_password": password}


def wrong_password(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    secret = folder / "kafka-password"
    secret.write_text(CANARY, encoding="ascii")
    client = {name: value for name, value in by_password(broker, folder).items() if name != "sasl_plain_password"}
    return broker.address("SECURED"), {**client, "sasl_plain_password_file": str(secret)}


def unknown_authority(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    stranger = str(Authority(folder, "stranger").file)
    return broker.address("SECURED"), {**by_password(broker, folder), "ssl_cafile": stranger}


def wrong_host_name(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    return broker.address("SECURED", "localhost"), by_password(broker, folder)


def expired(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    return broker.address("EXPIRED"), by_certificate(broker, folder)


def certificate_wanted(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    client = by_certificate(broker, folder)
    del client["ssl_certfile"], client["ssl_keyfile"]
    return broker.address("MUTUAL"), client


def plaintext_to_tls(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    return broker.address("SECURED"), {**by_password(broker, folder), "security_protocol": "SASL_PLAINTEXT"}


def tls_to_plaintext(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    return broker.bootstrap_servers, by_password(broker, folder)


def wrong_mechanism(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    return broker.address("SECURED"), {**by_password(broker, folder), "sasl_mechanism": "PLAIN"}


def silent_broker(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    return f"{LOOPBACK}:{SILENT_PORT}", by_password(broker, folder)


def refused_connection(broker: SecuredBroker, folder: Path) -> tuple[str, Client]:
    [port] = free_ports(1)
    return f"{LOOPBACK}:{port}", by_password(broker, folder)


[SILENT_PORT] = free_ports(1)
"""Where a test that uses `silent_broker` has to listen, and to answer nothing."""
FAULTS: dict[str, tuple[Fault, str, tuple[str, ...]]] = {
    "KAFKA_PASSWORD_REFUSED": (wrong_password, "user bridge", ("kafka-password", "SCRAM-SHA-512")),
    "KAFKA_AUTHORITY_UNKNOWN": (unknown_authority, "no authority", ("stranger.pem", "ssl_cafile")),
    "KAFKA_NAME_MISMATCH": (wrong_host_name, "certificate for 127.0.0.1, not for localhost", ("bootstrap_servers",)),
    "KAFKA_CERTIFICATE_EXPIRED": (expired, "expired on", ("renew",)),
    "KAFKA_WANTS_CERTIFICATE": (certificate_wanted, "wants a client certificate", ("ssl_certfile",)),
    "KAFKA_USES_TLS": (plaintext_to_tls, "uses TLS", ("SASL_PLAINTEXT", "security_protocol")),
    "KAFKA_WITHOUT_TLS": (tls_to_plaintext, "does not use TLS", ("SASL_SSL", "security_protocol")),
    "KAFKA_MECHANISM_UNKNOWN": (wrong_mechanism, "does not offer PLAIN; it offers SCRAM-SHA-512", ("sasl_mechanism",)),
    "KAFKA_SILENT": (silent_broker, "does not answer", ("firewalls",)),
    "KAFKA_REFUSES": (refused_connection, "refuses the connection", ("bootstrap_servers",)),
}
"""Code -> what is wrong, the middle of its sentence, and words of the sentence or the next step."""


def flags_of(servers: str, client: Client) -> dict[str, str]:
    """Return the settings of a client."""
    return {
        "kafka.bootstrap_servers": servers,
        **{f"kafka.client.{name}": str(value) for name, value in client.items()},
    }
