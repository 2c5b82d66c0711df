"""A server with TLS that wants a client certificate, and says so as OpenSSL and Java do: with an alert."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
from typing import TYPE_CHECKING

from bridge.sandbox.process import LOOPBACK
from tests.support.threaded_server import ServingThread

if TYPE_CHECKING:
    from tests.support.certificates import Authority


class RefusingTlsServer(ServingThread):
    """Takes nobody without a certificate of the authority; what a client has sent by then is read, and dropped."""

    def __init__(self, authority: Authority) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue("refusing").store_file)
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED

        class _WantsCertificate(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                plain: socket.socket = self.request
                with (
                    contextlib.suppress(OSError),
                    context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as encrypted,
                ):
                    with contextlib.suppress(ssl.SSLError):
                        encrypted.do_handshake()
                    encrypted.shutdown(socket.SHUT_WR)
                    # Closing with unread bytes would reset the connection, and the alert would be lost.
                    while encrypted.recv(1000):
                        pass

        server = socketserver.ThreadingTCPServer((LOOPBACK, 0), _WantsCertificate)
        server.daemon_threads = True
        super().__init__(server)
        self.port = int(server.server_address[1])
