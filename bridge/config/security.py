"""Validates the pass-through map `kafka.client`, and makes TLS contexts.

`kafka.client` is one map instead of forty settings. It holds what all of aiokafka's clients have in common, under
aiokafka's names, and `ssl_...` names for the TLS context that aiokafka expects ready-made. The settings
that the promises depend on (acks, idempotence, isolation level, group, transactional id) are not accepted.
"""

from __future__ import annotations

import difflib
import ssl
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT_SECRETS: Final = frozenset({"sasl_plain_password", "ssl_password"})

_PASSED_ON: Final[dict[str, type]] = {
    "security_protocol": str,
    "sasl_mechanism": str,
    "sasl_plain_username": str,
    "sasl_plain_password": str,
    "sasl_kerberos_service_name": str,
    "sasl_kerberos_domain_name": str,
    "request_timeout_ms": int,
    "retry_backoff_ms": int,
    "metadata_max_age_ms": int,
    "connections_max_idle_ms": int,
}
_FOR_THE_CONTEXT: Final[dict[str, type]] = {
    "ssl_cafile": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_password": str,
    "ssl_check_hostname": bool,
}
CLIENT_KEYS: Final[dict[str, type]] = {
    **_PASSED_ON,
    **_FOR_THE_CONTEXT,
    **{f"{name}_file": str for name in sorted(CLIENT_SECRETS)},
}
"""What `kafka.client` may hold: key -> type of its value."""
_WORDS: Final = {"true": True, "false": False}
_EXPECTED: Final = {str: "text", int: "a whole number", bool: "true or false"}
CLIENT_CHOICES: Final = {
    "security_protocol": ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "sasl_mechanism": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"),  # OAUTHBEARER needs code, not a setting
}
"""Keys of `kafka.client` with a closed set of values."""


def checked_client(given: dict[str, object]) -> dict[str, Any]:
    """Return the map with values of the types aiokafka expects. Raises ValueError: `key: problem` lines."""
    problems: list[str] = []
    result: dict[str, Any] = {}
    for key, value in given.items():
        if key not in CLIENT_KEYS:
            near = difflib.get_close_matches(key, CLIENT_KEYS, 1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(sorted(CLIENT_KEYS))}"
            problems.append(f"{key}: unknown client setting; {hint}")
            continue
        try:
            result[key] = _typed(value, CLIENT_KEYS[key])
        except ValueError:
            problems.append(f"{key}: expected {_EXPECTED[CLIENT_KEYS[key]]}")
    for key, choices in CLIENT_CHOICES.items():
        if key in result and result[key] not in choices:
            problems.append(f"{key}: expected one of {', '.join(choices)}")
    if not problems and uses_tls(result):
        try:
            client_arguments(result)
        except (OSError, ssl.SSLError) as error:
            problems.append(f"security_protocol: the TLS files cannot be used, {error}")
    if problems:
        raise ValueError("\n".join(problems))
    return result


def _typed(value: object, kind: type) -> object:
    if isinstance(value, str) and kind is not str:
        value = _WORDS.get(value.lower(), value) if kind is bool else int(value)
    if type(value) is not kind:
        raise ValueError
    return value


def uses_tls(client: Mapping[str, Any]) -> bool:
    """Return whether a checked client map selects TLS."""
    return str(client.get("security_protocol", "")).endswith("SSL")


def client_arguments(client: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked client map as keyword arguments of an aiokafka client, with the TLS context made."""
    arguments = {key: value for key, value in client.items() if key in _PASSED_ON}
    if uses_tls(client):
        arguments["ssl_context"] = client_context(client)
    return arguments


def client_context(client: Mapping[str, Any], *, any_name: bool = False) -> ssl.SSLContext:
    """Return the TLS context of a checked client map; with `any_name`, the certificate may be for any host."""
    return tls_context(
        client.get("ssl_cafile"),
        client.get("ssl_certfile"),
        client.get("ssl_keyfile"),
        password=client.get("ssl_password"),
        verify_hostname=client.get("ssl_check_hostname", True) and not any_name,
    )


def tls_context(
    ca_file: str | None,
    certificate_file: str | None,
    key_file: str | None,
    *,
    password: str | None = None,
    verify_hostname: bool = True,
) -> ssl.SSLContext:
    """Return a client context that always verifies the other side's certificate.

    Raises OSError (of which ssl.SSLError is one) when a file cannot be read or used.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = verify_hostname
    if certificate_file is not None:
        # Without a password OpenSSL would ask on the terminal; an empty one makes it fail instead.
        context.load_cert_chain(certificate_file, key_file, password or "")
    return context
