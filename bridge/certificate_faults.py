"""What is wrong with a certificate that a TLS client does not accept: OpenSSL's results, as a closed set. Pure."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl


class CertificateFault(enum.Enum):
    """Why the certificate of the other side was not accepted."""

    UNTRUSTED = "no trusted authority has signed it"
    OTHER_NAME = "it is for another host"
    EXPIRED = "it has expired"
    NOT_YET_VALID = "it is not valid yet"
    OTHER = "it is not valid"


# openssl-verification-options, X509_V_ERR_...
_FAULTS: Final = {
    **dict.fromkeys((2, 18, 19, 20, 21, 24, 27), CertificateFault.UNTRUSTED),
    **dict.fromkeys((62, 64), CertificateFault.OTHER_NAME),
    9: CertificateFault.NOT_YET_VALID,
    10: CertificateFault.EXPIRED,
}


def certificate_fault(error: ssl.SSLCertVerificationError) -> CertificateFault:
    """Return why a verification failed."""
    return _FAULTS.get(error.verify_code, CertificateFault.OTHER)
