"""TLS contexts that take each connection with the files as they are: both sides of real handshakes, in memory."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from bridge.certificate_dates import ends
from bridge.tls import RenewedContext, TlsFiles
from tests.support.certificates import Authority, Issued

if TYPE_CHECKING:
    from pathlib import Path


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> ssl.SSLObject:
    """Return the client's side after a handshake. Raises ssl.SSLError."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    open_sides = list(sides)
    for _ in range(10):
        for side in list(open_sides):
            try:
                side.do_handshake()
                open_sides.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert open_sides == []
    return sides[0]


def server_of(issued: Issued) -> RenewedContext:
    return RenewedContext(TlsFiles(certificate=str(issued.certificate_file), key=str(issued.key_file)), server=True)


def serial(side: ssl.SSLObject) -> int:
    found = side.getpeercert(binary_form=True)
    assert found is not None
    return x509.load_der_x509_certificate(found).serial_number


def test_a_server_shows_the_certificate_that_is_in_its_file_at_each_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first = authority.issue("server")
    server, client = server_of(first), RenewedContext(TlsFiles(ca=str(authority.file)))
    before = serial(handshake(client, server))
    second = authority.issue("server")
    assert second.certificate_file == first.certificate_file
    assert second.key_file == first.key_file
    assert serial(handshake(client, server)) != before
    assert server.current.changes == 1


def test_a_client_trusts_the_authorities_that_are_in_its_file_at_each_connection(tmp_path: Path) -> None:
    former = Authority(tmp_path)
    client = RenewedContext(TlsFiles(ca=str(former.file)))
    handshake(client, server_of(former.issue("one")))
    (tmp_path / "next").mkdir()
    following = Authority(tmp_path / "next")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client, server_of(following.issue("two")))
    former.file.write_bytes(following.file.read_bytes())
    handshake(client, server_of(following.issue("two")))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client, server_of(former.issue("one")))


def test_a_certificate_beside_the_key_of_the_former_leaves_the_former_in_force(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("server")
    server, client = server_of(issued), RenewedContext(TlsFiles(ca=str(authority.file)))
    before = serial(handshake(client, server))
    assert authority.issue("server").certificate_file == issued.certificate_file  # its key is not written yet
    assert serial(handshake(client, server)) == before
    assert isinstance(server.current.error, ssl.SSLError)


def test_a_key_with_a_password_is_read_with_the_password_of_the_moment(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("server")
    key = serialization.load_pem_private_key(issued.key_file.read_bytes(), None)

    def lock(password: str) -> None:
        encryption = serialization.BestAvailableEncryption(password.encode())
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
        issued.key_file.write_bytes(key.private_bytes(*form, encryption))
        (tmp_path / "password").write_text(f"{password}\n")

    lock("first-password")
    password_file = tmp_path / "password"
    files = TlsFiles(
        certificate=str(issued.certificate_file),
        key=str(issued.key_file),
        password=lambda: password_file.read_text().strip(),
        password_file=str(password_file),
    )
    server, client = RenewedContext(files, server=True), RenewedContext(TlsFiles(ca=str(authority.file)))
    lock("another")
    handshake(client, server)
    assert (server.current.changes, server.current.error) == (1, None)


def test_the_end_of_a_certificate_is_that_which_another_reader_finds(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    texts = [authority.issue("server").certificate_file.read_text(), authority.file.read_text()]
    found = [x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc.timestamp() for text in texts]
    assert ends("words before\n" + "".join(texts)) == found


@pytest.mark.parametrize("cut", range(0, 300, 7))
def test_a_damaged_certificate_is_refused(tmp_path: Path, cut: int) -> None:
    whole = ssl.PEM_cert_to_DER_cert(Authority(tmp_path).file.read_text())
    with pytest.raises(ValueError, match="not a certificate"):
        ends(ssl.DER_cert_to_PEM_cert(whole[:cut]))


def test_what_ends_when_is_known_of_the_files_in_use(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue("client")
    context = RenewedContext(
        TlsFiles(ca=str(authority.file), certificate=str(issued.certificate_file), key=str(issued.key_file))
    )
    assert context.current().certificate_end == issued.ends.timestamp()
    assert context.current().authority_end == ends(authority.file.read_text())[0]
