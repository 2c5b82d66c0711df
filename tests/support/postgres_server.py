"""A PostgreSQL server of Debian's package, in a directory of its own, on a free port of the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACCOUNT: Final = "postgres"
_START_SECONDS: Final = 60


def _program(name: str) -> str:
    found = shutil.which(name) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    assert found is not None, f"these tests need PostgreSQL's `{name}`: apt-get install postgresql"
    return found


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server, for root as another user; yield SQLAlchemy's URL of its database."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    as_account: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, _ACCOUNT, _ACCOUNT)
        as_account = ["setpriv", f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--clear-groups"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    make = [*as_account, _program("initdb"), "-D", str(data), "-A", "trust", "-U", "reader", "-N", "-E", "UTF8"]
    subprocess.run(make, check=True, capture_output=True, cwd=folder)
    serve = [*as_account, _program("postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)]
    serve += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(serve, stdout=log, stderr=log, cwd=folder)
    try:
        _await_answer(port, server, folder / "log")
        yield f"postgresql+psycopg://reader@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # the fast shutdown, which waits for no client
        server.wait(30)
        shutil.rmtree(folder)


def _await_answer(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="reader", dbname="postgres").close()
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < end, log.read_text("utf-8")
            time.sleep(0.05)
        else:
            return
