"""Why there is no connection to a Chat Server: what the errors of the transport mean, as link codes. Pure.

No sentence holds text that the server sent: OpenSSL's reasons are constants of the library.
"""

from __future__ import annotations

import ssl
from typing import Final

from bridge.errors import Problem
from bridge.transcript import link_codes

_RESET: Final = Problem(link_codes.RESET, "connection reset")
_CLOSED: Final = Problem(link_codes.CLOSED, "connection closed by the server")

# Results of OpenSSL's verification (openssl-verification-options, X509_V_ERR_...).
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_UNTRUSTED: Final = frozenset({2, 18, 19, 20, 21, 24, 27})
_OTHER_NAME: Final = frozenset({62, 64})

_NO_TLS: Final = frozenset({"HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER"})
"""OpenSSL's reasons for a first record that is not one of TLS."""


class HandshakeCut(ssl.SSLError):
    """The server closed the connection, or said nothing, during the TLS handshake."""


def not_made(error: OSError) -> Problem:
    """Return why a connection could not be made."""
    if isinstance(error, ssl.SSLError):
        return Problem(link_codes.TLS, _tls_sentence(error))
    return Problem(link_codes.UNREACHABLE, type(error).__name__)


def lost(error: Exception | None) -> Problem:
    """Return why a connection ended; None: the server closed it.

    In TLS 1.3 a server that wants another client certificate says so after the client's handshake has succeeded.
    """
    if isinstance(error, ssl.SSLError):
        return Problem(link_codes.TLS, _tls_sentence(error))
    return _CLOSED if error is None else _RESET


def _tls_sentence(error: ssl.SSLError) -> str:
    if isinstance(error, HandshakeCut):
        return str(error.args[0])
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error)
    reason = getattr(error, "reason", None) or type(error).__name__  # it is missing from one that OpenSSL did not make
    if reason in _NO_TLS:
        return "the server does not speak TLS on this port"
    if "ALERT" in reason:
        return f"the server refuses the client, mostly because of its certificate: {reason}"
    return f"TLS failed: {reason}"


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _UNTRUSTED:
        return "no trusted authority has signed the server's certificate"
    if error.verify_code in _OTHER_NAME:
        return "the server's certificate is for another host name"
    if error.verify_code == _EXPIRED:
        return "the server's certificate has expired"
    if error.verify_code == _NOT_YET_VALID:
        return "the server's certificate is not valid yet"
    return f"the server's certificate is not valid: {error.verify_message}"
