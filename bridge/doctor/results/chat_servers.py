"""Why a Chat Server does not take this bridge as a client, or with which ClientVersion it does."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from bridge.doctor.results.check_result import failed, ok, warning
from bridge.doctor.results.doctor_codes import (
    CLIENT_VERSION_ASSUMED,
    CLIENT_VERSION_LOWER,
    REGISTRATION_REFUSED,
    SERVER_CLOSES,
    SERVER_NAME_UNKNOWN,
    SERVER_REFUSES,
    SERVER_SILENT,
    SERVER_TLS,
    SERVER_UNREACHABLE,
    SERVER_UNREADABLE,
)
from bridge.sources.chat_server.registration_probe import RegistrationStep

if TYPE_CHECKING:
    from bridge.doctor.results.check_result import CheckResult
    from bridge.sources.chat_server.registration_probe import RegistrationOutcome


def server_result(server: str, outcome: RegistrationOutcome, declared: int, *, tls: bool) -> CheckResult:
    """Judge one server. `declared` is the ClientVersion of the settings, `tls` whether they switch TLS on."""
    if outcome.step is RegistrationStep.REGISTERED:
        return _version(server, outcome, declared)
    if outcome.step is RegistrationStep.ANSWER:
        return _unanswered(server, outcome, tls=tls)
    if outcome.step is RegistrationStep.RESOLVE:
        step = "check the address and the network"
        return failed(server, SERVER_NAME_UNKNOWN, "cannot be found: the name has no address", step)
    return _unreachable(server, outcome.error)


def _unanswered(server: str, outcome: RegistrationOutcome, *, tls: bool) -> CheckResult:
    if outcome.unreadable:
        step = "check that a Chat Server (or the gateway) listens there, and sources.chat_server.tls"
        return failed(server, SERVER_UNREADABLE, "answers, but not as a Chat Server that this bridge reads", step)
    if outcome.refusal is not None:
        step = "check sources.chat_server.nickname and person_id, and look at the log of the server"
        return failed(server, REGISTRATION_REFUSED, outcome.refusal.detail, step)
    if isinstance(outcome.error, TimeoutError):
        return failed(
            server,
            SERVER_SILENT,
            "accepts the connection and does not answer the registration",
            f"check that a Chat Server listens there, {_other_tls(tls=tls)}",
        )
    return failed(
        server,
        SERVER_CLOSES,
        "closes the connection when this bridge registers",
        f"check that a Chat Server listens there, {_other_tls(tls=tls)}",
    )


def _other_tls(*, tls: bool) -> str:
    return f"and that it does {'' if tls else 'not '}use TLS: sources.chat_server.tls.enabled is {str(tls).lower()}"


def _unreachable(server: str, error: OSError | None) -> CheckResult:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"has a certificate that cannot be verified: {error.verify_message}"
        step = "set sources.chat_server.tls.ca_file to a file with its authority; use a host name of the certificate"
        return failed(server, SERVER_TLS, text, step)
    if isinstance(error, ssl.SSLError):
        text = f"does not agree on TLS: {getattr(error, 'reason', None) or 'no reason is told'}"
        step = (
            "check that the port uses TLS (sources.chat_server.tls.enabled is true), and whether it wants a certificate"
        )
        return failed(server, SERVER_TLS, text, step)
    if isinstance(error, ConnectionRefusedError):
        step = "check the address, and that the server runs"
        return failed(server, SERVER_REFUSES, "refuses the connection: nothing listens there", step)
    why = "no answer to the attempt" if isinstance(error, TimeoutError) else type(error).__name__
    return failed(server, SERVER_UNREACHABLE, f"cannot be reached: {why}", "check the address and the network")


def _version(server: str, outcome: RegistrationOutcome, declared: int) -> CheckResult:
    if outcome.assumed:
        text = f"registered; it does not say which ClientVersion is in force, {declared} is assumed"
        step = "compare sources.chat_server.client_version with what the server's release knows"
        return warning(server, CLIENT_VERSION_ASSUMED, text, step)
    if outcome.version < declared:
        text = f"registered with ClientVersion {outcome.version}, {declared} was declared: it withholds what came later"
        step = "nothing, or update the server; docs/protocol.md lists what each version knows"
        return warning(server, CLIENT_VERSION_LOWER, text, step)
    return ok(server, f"registered with ClientVersion {outcome.version}, and left; no chat was joined")
