"""Requests for time stamps, and what proves that a reply is one (RFC 3161).

The package rfc3161-client is the optional extra `timestamps`, and is imported only where stamps are made or checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from bridge.errors import EnvironmentFault, VerificationFailed
from bridge.optional_packages import optional_package
from bridge.secret_files import reason_of

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GRANTED: Final = 0
LARGEST_REPLY: Final = 32 * 1024
"""Bytes of a reply at most, with all certificates of the authority."""


@dataclass(slots=True, frozen=True)
class StampRequest:
    """A request in DER, as an authority takes it, and the nonce that the reply has to repeat."""

    der: bytes
    nonce: int


class StampChecks:
    """Checks replies with the certificates of time stamping authorities that are trusted.

    Called with a reply (DER) and what it is to have stamped, it returns the time in us since 1970 UTC, or raises
    VerificationFailed. The certificates have to be valid at that time, which need not be now.
    """

    def __init__(self, package: Any, authorities: list[Certificate]) -> None:
        """`package` is that of rfc3161-client; `authorities` has at least one root."""
        self._package = package
        self._authorities = authorities

    @classmethod
    def with_file(cls, file: str | Path, setting: str) -> Self:
        """Return the checks with the certificates in a PEM file; `setting` is what messages call it.

        Raises ConfigError when the package is not installed, EnvironmentFault when the file cannot be used.
        """
        from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415 - slow to import, as the package is

        package = optional_package(
            "rfc3161_client", setting=setting, what="the package for time stamps is", extra="timestamps"
        )
        try:
            return cls(package, load_pem_x509_certificates(Path(file).read_bytes()))
        except (OSError, ValueError) as error:
            raise EnvironmentFault(
                f"{setting}: {file}: {reason_of(error)}",
                next_step="write the certificates of the authority to the file, PEM",
            ) from error

    def request(self, stamped: bytes) -> StampRequest:
        """Return a request for a stamp over the SHA-256 of something, with the certificates of the authority."""
        package = self._package
        builder = package.TimestampRequestBuilder().data(stamped).hash_algorithm(package.HashAlgorithm.SHA256)
        request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
        return StampRequest(request.as_bytes(), request.nonce)

    def imprint(self, reply: bytes) -> bytes:
        """Return the SHA-256 that a reply says it has stamped; nothing is checked. Raises VerificationFailed."""
        try:
            return bytes(self._decoded(reply).tst_info.message_imprint.message)
        except (ValueError, TypeError) as error:
            raise VerificationFailed("no time stamp that can be read") from error

    def _decoded(self, reply: bytes) -> Any:
        if len(reply) > LARGEST_REPLY:
            raise ValueError(f"{len(reply)} bytes")
        return self._package.decode_timestamp_response(reply)

    def __call__(self, reply: bytes, stamped: bytes, nonce: int | None = None) -> int:
        """Check a reply; with a nonce, that it has it."""
        package = self._package
        builder = package.VerifierBuilder(nonce=nonce)
        for one in self._authorities:
            # The package takes each of them for trusted, whether it signs itself or not.
            builder = builder.add_root_certificate(one)
        try:
            told = self._decoded(reply)
            if told.status != _GRANTED:
                raise VerificationFailed(f"no stamp was granted (status {told.status})")
            builder.build().verify_message(told, stamped)
            at: datetime = told.tst_info.gen_time
            return (at - _EPOCH) // timedelta(microseconds=1)
        except (ValueError, TypeError, OverflowError, package.VerificationError) as error:
            raise VerificationFailed(f"no valid time stamp: {str(error).split(':', 1)[0]}") from error
