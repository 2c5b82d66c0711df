"""Validates the pass-through map `kafka.client`, and turns it into what aiokafka's clients are given.

`kafka.client` is one map instead of forty settings. It holds what all of aiokafka's clients have in common, under
aiokafka's names, and `ssl_...` names for the TLS context that aiokafka expects ready-made. The settings
that the promises depend on (acks, idempotence, isolation level, group, transactional id) are not accepted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.config.tls_file_problems import TlsFileSettings, tls_file_problem
from bridge.secret_files import FileBacked, read_secret, secret_in
from bridge.tls import RenewedContext, TlsFiles

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

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
_PASSWORD: Final = "sasl_plain_password"  # noqa: S105 - a key of the map
_FILE_SETTINGS: Final = TlsFileSettings("ssl_cafile", "ssl_certfile", "ssl_keyfile")
_WORDS: Final = {"true": True, "false": False}
_EXPECTED: Final = {str: "text", int: "a whole number", bool: "true or false"}
OAUTHBEARER: Final = "OAUTHBEARER"
CLIENT_CHOICES: Final = {
    "security_protocol": ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "sasl_mechanism": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", OAUTHBEARER),
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
        problem = tls_file_problem(client_files(result), _FILE_SETTINGS)
        problems += [] if problem is None else [problem]
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


class ClientArguments(Mapping[str, Any]):
    """A checked client map as keyword arguments of an aiokafka client, with the secrets as their files are now.

    `password` is None unless it is in a file; `context` is None without TLS.
    """

    def __init__(self, client: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> None:
        """`more` are arguments that no setting of the map gives. Raises OSError or ValueError for an unusable file."""
        self._arguments = {key: value for key, value in client.items() if key in _PASSED_ON} | dict(more or {})
        password_file = client.get(f"{_PASSWORD}_file")
        self.password: FileBacked[str] | None = None if password_file is None else secret_in(password_file)
        self.context: RenewedContext | None = None
        if uses_tls(client):
            self.context = self._arguments["ssl_context"] = RenewedContext(client_files(client))

    def __getitem__(self, key: str) -> Any:
        """Return an argument."""
        return self.password() if key == _PASSWORD and self.password is not None else self._arguments[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._arguments)

    def __len__(self) -> int:
        return len(self._arguments)


def client_arguments(client: Mapping[str, Any]) -> ClientArguments:
    """Return a checked client map as keyword arguments of an aiokafka client. Raises OSError or ValueError."""
    return ClientArguments(client)


def client_files(client: Mapping[str, Any], *, any_name: bool = False) -> TlsFiles:
    """Return the TLS files of a checked client map; with `any_name`, the certificate may be for any host."""
    return TlsFiles(
        ca=client.get("ssl_cafile"),
        certificate=client.get("ssl_certfile"),
        key=client.get("ssl_keyfile"),
        password=key_password(client.get("ssl_password"), client.get("ssl_password_file")),
        password_file=client.get("ssl_password_file"),
        verify_hostname=client.get("ssl_check_hostname", True) and not any_name,
    )


def client_context(client: Mapping[str, Any], *, any_name: bool = False) -> ssl.SSLContext:
    """Return the TLS context of a checked client map as its files are now. Raises OSError."""
    return client_files(client, any_name=any_name).client_context()


def key_password(password: str | None, file: str | None) -> Callable[[], str] | None:
    """Return what gives the password of a key: the one in the file, which is read at each call, or `password`."""
    if file is not None:
        return lambda: read_secret(file)
    return None if password is None else lambda: password
