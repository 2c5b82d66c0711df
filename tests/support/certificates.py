"""Certificates of a test: an authority, and what it signs, as PEM files in a folder."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK: Final = ipaddress.ip_address("127.0.0.1")
_DAY: Final = timedelta(days=1)


class Authority:
    """A certificate authority with its files in `folder`. Its certificates are for 127.0.0.1 and for no name.

    It and they are valid for `days`, unless they are issued otherwise.
    """

    def __init__(self, folder: Path, name: str = "authority", days: int = 1) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self._life = days * _DAY
        self._certificate = (
            self._builder(self._name, self._key.public_key(), _now() + self._life)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.ends = self._certificate.not_valid_after_utc
        self.file = folder / f"{name}.pem"  #: what a client trusts
        self.file.write_bytes(_pem(self._certificate))

    def issue(self, name: str, *, expired: bool = False, days: float | None = None) -> Issued:
        """Return a certificate for `CN=name`, valid for `days`, or as long as the authority, or until yesterday."""
        life = self._life if days is None else days * _DAY
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder(_named(name), key.public_key(), _now() + (-_DAY if expired else life))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Issued(self._folder, name, key, certificate)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, end: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_now() - 2 * _DAY)
            .not_valid_after(end)
        )


class Issued:
    """A certificate and its key, each in a file, and both in one as Apache Kafka wants them."""

    def __init__(self, folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._folder = folder
        self._name = name
        self._private = key
        self._key = _key_pem(key, serialization.NoEncryption())
        self._certificate = _pem(certificate)
        self.ends = certificate.not_valid_after_utc

    @cached_property
    def certificate_file(self) -> Path:
        return self._file("certificate", self._certificate)

    @cached_property
    def key_file(self) -> Path:
        return self._file("key", self._key)

    def locked_key(self, password: str) -> bytes:
        """Return the key as PEM that nobody reads without the password."""
        return _key_pem(self._private, serialization.BestAvailableEncryption(password.encode()))

    @cached_property
    def store_file(self) -> Path:
        return self._file("store", self._key + self._certificate)

    def _file(self, kind: str, content: bytes) -> Path:
        path = self._folder / f"{self._name}-{kind}.pem"
        path.write_bytes(content)
        return path


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _key_pem(key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
