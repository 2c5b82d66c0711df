"""Why a connection to Kafka cannot be used: the codes of `connection_causes`, which `/readyz` and the log show."""

from __future__ import annotations

from typing import Final

KAFKA_NAME_UNKNOWN: Final = "KAFKA_NAME_UNKNOWN"
KAFKA_REFUSES: Final = "KAFKA_REFUSES"
KAFKA_UNREACHABLE: Final = "KAFKA_UNREACHABLE"
KAFKA_SILENT: Final = "KAFKA_SILENT"
KAFKA_CLOSES: Final = "KAFKA_CLOSES"
KAFKA_USES_TLS: Final = "KAFKA_USES_TLS"
KAFKA_WITHOUT_TLS: Final = "KAFKA_WITHOUT_TLS"
KAFKA_AUTHORITY_UNKNOWN: Final = "KAFKA_AUTHORITY_UNKNOWN"
KAFKA_NAME_MISMATCH: Final = "KAFKA_NAME_MISMATCH"
KAFKA_CERTIFICATE_EXPIRED: Final = "KAFKA_CERTIFICATE_EXPIRED"
KAFKA_CERTIFICATE_INVALID: Final = "KAFKA_CERTIFICATE_INVALID"
KAFKA_WANTS_CERTIFICATE: Final = "KAFKA_WANTS_CERTIFICATE"
KAFKA_REFUSES_CERTIFICATE: Final = "KAFKA_REFUSES_CERTIFICATE"
KAFKA_FILES_UNREADABLE: Final = "KAFKA_FILES_UNREADABLE"
KAFKA_WANTS_SASL: Final = "KAFKA_WANTS_SASL"
KAFKA_WITHOUT_SASL: Final = "KAFKA_WITHOUT_SASL"
KAFKA_MECHANISM_UNKNOWN: Final = "KAFKA_MECHANISM_UNKNOWN"
KAFKA_PASSWORD_REFUSED: Final = "KAFKA_PASSWORD_REFUSED"  # noqa: S105 - a code
KAFKA_AUTHENTICATION_FAILED: Final = "KAFKA_AUTHENTICATION_FAILED"
KAFKA_TOKEN_UNAVAILABLE: Final = "KAFKA_TOKEN_UNAVAILABLE"  # noqa: S105 - a code
KAFKA_TOKEN_REFUSED: Final = "KAFKA_TOKEN_REFUSED"  # noqa: S105 - a code

_ADDRESS: Final = "Check `kafka.bootstrap_servers`, the broker and the network."
_BROKERS_LOG: Final = "Look at the broker's log, and at proxies and firewalls on the way."
_PROTOCOL: Final = "Correct `kafka.client.security_protocol`, or name another port."
_RENEW: Final = "Have the broker's certificate issued anew."
CONNECTION_CODES: Final = {
    KAFKA_NAME_UNKNOWN: ("The name of a bootstrap server has no address.", _ADDRESS),
    KAFKA_REFUSES: ("The connection is refused: nothing listens on the port.", _ADDRESS),
    KAFKA_UNREACHABLE: ("The attempt to connect has no answer, or the network refuses it.", _ADDRESS),
    KAFKA_SILENT: ("The port accepts connections and answers nothing.", _BROKERS_LOG),
    KAFKA_CLOSES: ("The broker closes the connection and does not say why.", _BROKERS_LOG),
    KAFKA_USES_TLS: ("The port uses TLS, the clients do not.", _PROTOCOL),
    KAFKA_WITHOUT_TLS: ("The clients use TLS, the port does not.", _PROTOCOL),
    KAFKA_AUTHORITY_UNKNOWN: (
        "No known authority has signed the broker's certificate.",
        "Set `kafka.client.ssl_cafile` to a file with its authority.",
    ),
    KAFKA_NAME_MISMATCH: (
        "The broker's certificate is for another host name.",
        "Use a name of the certificate in `kafka.bootstrap_servers` and `advertised.listeners`.",
    ),
    KAFKA_CERTIFICATE_EXPIRED: ("The broker's certificate has expired; the detail has the date.", _RENEW),
    KAFKA_CERTIFICATE_INVALID: ("The broker's certificate is not valid for another reason.", _RENEW),
    KAFKA_WANTS_CERTIFICATE: (
        "The broker wants a client certificate, and none is set.",
        "Set `kafka.client.ssl_certfile` and `ssl_keyfile`.",
    ),
    KAFKA_REFUSES_CERTIFICATE: (
        "The broker refuses the client certificate.",
        "Check who signed it and when it ends, and the broker's truststore.",
    ),
    KAFKA_FILES_UNREADABLE: (
        "A file of `kafka.client` (password, certificate, key, authorities) cannot be read or used.",
        "Check the files that `kafka.client` names and their permissions.",
    ),
    KAFKA_WANTS_SASL: ("The port asks for a user, the clients show none.", _PROTOCOL),
    KAFKA_WITHOUT_SASL: ("The clients show a user, the port does not ask for one.", _PROTOCOL),
    KAFKA_MECHANISM_UNKNOWN: (
        "The broker does not offer the SASL mechanism; the detail has its list.",
        "Set `kafka.client.sasl_mechanism` to one of the list.",
    ),
    KAFKA_PASSWORD_REFUSED: (
        "The broker refuses the user or the password.",
        "Check both; on Kafka the user needs a password for this mechanism.",
    ),
    KAFKA_TOKEN_UNAVAILABLE: (
        "There is no access token to show: the token endpoint does not answer, or refuses the client.",
        "Check `kafka.oauth`, and that the endpoint can be reached.",
    ),
    KAFKA_TOKEN_REFUSED: (
        "The broker refuses the access token.",
        "Compare issuer, audience, time and signature with what the broker expects.",
    ),
    KAFKA_AUTHENTICATION_FAILED: ("Authentication fails for another reason.", "Look at the broker's log."),
}
"""Code -> what it means, and what to do."""
