"""Why there is no connection to a Chat Server: what the errors of the transport mean, as link codes. Pure.

No sentence holds text that the server sent: OpenSSL's reasons are constants of the library.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import Final

from bridge.certificate_faults import CertificateFault, certificate_fault
from bridge.errors import Problem
from bridge.transcript import link_codes

_NO_ANSWER: Final = " before any answer, after TLS: it may want another client certificate (look at its log)"
"""In TLS 1.3 a server refuses a client's certificate only when the client has finished, and not each sends an alert."""

_NO_TLS: Final = frozenset({"HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER"})
"""OpenSSL's reasons for a first record that is not one of TLS."""

_SETTINGS: Final = "sources.chat_server.tls"


class HandshakeCut(ssl.SSLError):
    """The server closed the connection, or said nothing, during the TLS handshake."""


@dataclass(slots=True, frozen=True)
class ConnectionFailures:
    """Names causes, in the words of the settings: file names as they were given. A sentence ends with what to do.

    `gateway` is the address that is connected to instead of a server's own; `tls`: connections use TLS.
    """

    gateway: str | None = None
    tls: bool = False
    authority_file: str | None = None
    certificate_file: str | None = None

    def not_made(self, error: OSError) -> Problem:
        """Return why a connection could not be made."""
        if isinstance(error, ssl.SSLError):
            return self._tls(error)
        return Problem(link_codes.UNREACHABLE, f"{self._peer} {_unreachable(error)}")

    def lost(self, error: Exception | None, *, answered: bool = True) -> Problem:
        """Return why a connection ended; None: the server closed it, `answered`: after it had registered this client.

        In TLS 1.3 a server that wants another client certificate says so after the client's handshake has succeeded.
        """
        if isinstance(error, ssl.SSLError):
            return self._tls(error)
        hint = _NO_ANSWER if self.tls and not answered else ""
        if error is None:
            return Problem(link_codes.CLOSED, f"connection closed by the server{hint}")
        return Problem(link_codes.RESET, f"connection reset{hint}")

    @property
    def _peer(self) -> str:
        return "the server" if self.gateway is None else f"the gateway {self.gateway}"

    def _tls(self, error: ssl.SSLError) -> Problem:
        message, next_step = self._sentence(error)
        return Problem(link_codes.TLS, f"{self._peer} {message} ({next_step})")

    def _sentence(self, error: ssl.SSLError) -> tuple[str, str]:
        if isinstance(error, HandshakeCut):
            return error.args[0], "look at what listens there; if it does not use TLS, name the port that does"
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._certificate(error)
        # It is missing from an error that OpenSSL did not make.
        reason = getattr(error, "reason", None) or type(error).__name__
        if reason in _NO_TLS:
            return "does not use TLS on this port", f"name the port with TLS, or set {_SETTINGS}.enabled to false"
        if "ALERT" not in reason:
            return f"does not agree on TLS: {reason}", "look at its log; compare versions and ciphers of TLS"
        if self.certificate_file is None:
            return (
                f"refuses TLS, mostly because it wants a client certificate: {reason}",
                f"set {_SETTINGS}.certificate_file and key_file to one that it accepts",
            )
        return (
            f"refuses TLS, mostly because of the client certificate in {self.certificate_file}: {reason}",
            "check who signed it and when it ends",
        )

    def _certificate(self, error: ssl.SSLCertVerificationError) -> tuple[str, str]:
        match certificate_fault(error):
            case CertificateFault.UNTRUSTED:
                authorities = self.authority_file or "this machine's certificate store"
                return (
                    f"has a certificate that no authority in {authorities} has signed",
                    f"set {_SETTINGS}.ca_file to a file with the authority of its certificate",
                )
            case CertificateFault.OTHER_NAME:
                return (
                    "has a certificate for another host name",
                    "announce a name of the certificate, or have it issued for this one, too"
                    if self.gateway is None
                    else "use a name of the certificate in sources.chat_server.gateway",
                )
            case CertificateFault.EXPIRED:
                return "has a certificate that has expired", "renew it there, or set this machine's clock"
            case CertificateFault.NOT_YET_VALID:
                return "has a certificate that is not valid yet", "set this machine's clock, or wait"
            case CertificateFault.OTHER:
                return f"has a certificate that is not valid: {error.verify_message}", "have it issued anew"


def _unreachable(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "cannot be found: its name has no address (check the address in the announcement, and DNS)"
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection (check that the server runs, and the port)"
    if isinstance(error, TimeoutError):
        return "does not answer the attempt to connect (check the server, and firewalls on the way)"
    return f"cannot be reached: {type(error).__name__} (check the address, and the network)"
