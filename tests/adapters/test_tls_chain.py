"""The certificates that a server shows are seen whatever it wants of a client, and whoever has signed them."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.adapters.tls_chain import certificates_in, shown_chain
from bridge.certificate_dates import end_of
from bridge.sandbox.process import LOOPBACK
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def server_context(folder: Path, change: Callable[[ssl.SSLContext], None]) -> tuple[ssl.SSLContext, list[bytes]]:
    """Return a context whose chain is a certificate and its authority, and both in DER."""
    authority = Authority(folder)
    issued = authority.issue("server")
    file = folder / "chain.pem"
    file.write_bytes(issued.certificate_file.read_bytes() + authority.file.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, issued.key_file)
    change(context)
    pems = (issued.certificate_file, authority.file)
    return context, [ssl.PEM_cert_to_DER_cert(pem.read_text("ascii")) for pem in pems]


def shown_by(context: ssl.SSLContext | None) -> list[bytes]:
    async def ask() -> list[bytes]:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with await asyncio.start_server(serve, LOOPBACK, 0, ssl=context) as server, asyncio.timeout(10):
            return list(await shown_chain(*server.sockets[0].getsockname()))

    return asyncio.run(ask())


def nothing(_: ssl.SSLContext) -> None: ...


def want_certificate(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_REQUIRED


def only_tls_13(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(("change", "seen"), [(nothing, 2), (want_certificate, 2), (only_tls_13, 1)])
def test_the_chain_is_seen_and_of_a_server_with_tls_13_only_its_first_certificate(
    tmp_path: Path, change: Callable[[ssl.SSLContext], None], seen: int
) -> None:
    context, chain = server_context(tmp_path, change)
    found = shown_by(context)
    assert found == chain[:seen]
    assert end_of(found[0]) > 0


def test_a_server_without_tls_shows_none() -> None:
    with pytest.raises((OSError, EOFError)):
        shown_by(None)


@given(st.binary(max_size=200))
def test_whatever_was_received_has_certificates_or_has_none(received: bytes) -> None:
    """Any bytes are taken: no error is raised about what a peer sends."""
    certificates_in(received)
    for cut in (b"\x16\x03\x03", b"\x16\x03\x03\x00\x08\x0b\x00\x00\x04"):
        assert certificates_in(cut + received[:2]) == []
