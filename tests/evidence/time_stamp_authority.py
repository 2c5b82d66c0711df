"""A time stamping authority for tests: certificates of its own, and a server that lets `openssl ts -reply` answer."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

_SETTINGS = """
[ req ]
distinguished_name = name
prompt = no
[ name ]
CN = {name}
[ root ]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[ stamping ]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[ tsa ]
default_tsa = stamps
[ stamps ]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.13762.3
digests = sha256
accuracy = secs:1
"""


def openssl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True, timeout=60)


class TimeStampAuthority:
    """Certificates in a folder, made by openssl."""

    def __init__(self, folder: Path, name: str = "time stamps for tests") -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "openssl.cnf").write_text(_SETTINGS.format(folder=folder, name=name), "utf-8")
        (folder / "serial").write_text("01\n", "ascii")
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-config", "openssl.cnf")
        made = ("-x509", "-days", "2", "-keyout", "root.key", "-out", "root.pem", "-extensions", "root")
        openssl(folder, "req", *key, *made)
        openssl(folder, "req", *key, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", f"/CN={name} signer")
        signing = ("-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "2", "-days", "2")
        extensions = ("-extfile", "openssl.cnf", "-extensions", "stamping")
        openssl(folder, "x509", "-req", "-in", "tsa.csr", *signing, *extensions, "-out", "tsa.pem")

    @property
    def ca_file(self) -> Path:
        return self.folder / "root.pem"

    def reply(self, query: bytes) -> bytes:
        (self.folder / "query.tsq").write_bytes(query)
        names = ("-queryfile", "query.tsq", "-out", "reply.tsr")
        openssl(self.folder, "ts", "-reply", "-config", "openssl.cnf", *names)
        return (self.folder / "reply.tsr").read_bytes()

    def stamp(self, stamped: bytes) -> bytes:
        """Stamp something, with a request that openssl makes."""
        (self.folder / "stamped").write_bytes(stamped)
        openssl(self.folder, "ts", "-query", "-data", "stamped", "-sha256", "-cert", "-out", "own.tsq")
        return self.reply((self.folder / "own.tsq").read_bytes())

    def verified_by_openssl(self, reply: bytes, stamped: bytes) -> bool:
        """Tell whether `openssl ts -verify` accepts a stamp of something."""
        (self.folder / "stored.tsr").write_bytes(reply)
        (self.folder / "stored").write_bytes(stamped)
        command = ["openssl", "ts", "-verify", "-in", "stored.tsr", "-data", "stored", "-CAfile", "root.pem"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, check=False, timeout=60)
        return done.returncode == 0 and b"Verification: OK" in done.stdout + done.stderr


@dataclass
class StampServer:
    """A context manager: the authority behind HTTP. `answer` replaces what it answers: (status, body) for a query."""

    authority: TimeStampAuthority
    answer: Any = None
    queries: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        told = self

        class _StampHandler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                told.queries.append(query)
                status, body = (200, told.authority.reply(query)) if told.answer is None else told.answer(query)
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _StampHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"
