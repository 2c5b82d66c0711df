"""Reads from certificates until when they are valid; Python's ssl module tells that of verified peers only.

Of a certificate (RFC 5280, 4.1) only the way to its dates is read: Certificate > TBSCertificate > version (optional),
serialNumber, signature, issuer, validity > notBefore, notAfter.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from typing import Final

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_LONG_LENGTH: Final = 0x80
_FIELDS_BEFORE_VALIDITY: Final = 3
_CENTURY_TURNS: Final = 50
"""Two-digit years from here on are of the 20th century (RFC 5280, 4.1.2.5.1)."""


def ends(pem: str) -> list[float]:
    """Return the notAfter of each certificate in a PEM text, in seconds since 1970 UTC.

    Raises ValueError for one that is not a certificate.
    """
    return [end_of(ssl.PEM_cert_to_DER_cert(found)) for found in _PEM.findall(pem)]


def end_of(certificate: bytes) -> float:
    """Return the notAfter of a certificate in DER, in seconds since 1970 UTC. Raises ValueError when it is none."""
    try:
        body = _inside(_inside(_elements(certificate)[0])[0])  # the fields of TBSCertificate
        fields = body[1:] if body[0][0] == _VERSION else body
        kind, text = _inside(fields[_FIELDS_BEFORE_VALIDITY])[1]
    except IndexError:
        raise ValueError("not a certificate") from None
    digits = text.decode("ascii")
    if kind == _UTC_TIME:
        digits = ("19" if int(digits[:2]) >= _CENTURY_TURNS else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _inside(element: tuple[int, bytes]) -> list[tuple[int, bytes]]:
    """Return the elements in one that is a SEQUENCE."""
    kind, content = element
    if kind != _SEQUENCE:
        raise ValueError("not a certificate")
    return _elements(content)


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Return the elements that follow each other in DER: tag and content."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        kind, length, at = data[at], data[at + 1], at + 2
        if length >= _LONG_LENGTH:
            digits = length - _LONG_LENGTH
            length, at = int.from_bytes(data[at : at + digits]), at + digits
        if at + length > len(data):
            raise ValueError("not a certificate")
        found.append((kind, data[at : at + length]))
        at += length
    return found
