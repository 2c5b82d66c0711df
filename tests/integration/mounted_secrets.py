"""The secrets of a worker in a folder of files, and the settings that name them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from bridge.sandbox.process import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.certificates import Authority

REGISTRY_PATH = "/apis/ccompat/v7"
HTTP_TOKENS = {
    "token": ("GET", "/v1/sessions"),
    "read_token": ("GET", "/v1/sessions"),
    "announce_token": ("POST", "/v1/sessions"),
    "metrics_token": ("GET", "/metrics"),
}
"""Setting of a token -> what it is for."""


class Mounted:
    """The files of a bridge, as an orchestrator mounts them: those of one authority and one password at a time."""

    def __init__(self, folder: Path, authority: Authority, password: str) -> None:
        self.folder = folder
        folder.mkdir()
        self.replace(authority, password)

    def replace(self, authority: Authority, password: str) -> None:
        issued = authority.issue("mounted")
        for name, source in (
            ("ca.pem", authority.file),
            ("certificate.pem", issued.certificate_file),
            ("key.pem", issued.key_file),
        ):
            shutil.copyfile(source, self.folder / f"{name}.next")
            (self.folder / f"{name}.next").replace(self.folder / name)
        self.ends = {"": issued.ends.timestamp(), "_ca": authority.ends.timestamp()}
        (self.folder / "password").write_text(f"{password}\n", encoding="ascii")
        for one in HTTP_TOKENS:
            (self.folder / one).write_text(f"{one}-{password}\n", encoding="ascii")

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "kafka__client__ssl_cafile": self.folder / "ca.pem",
            "kafka__client__ssl_certfile": self.folder / "certificate.pem",
            "kafka__client__ssl_keyfile": self.folder / "key.pem",
            "kafka__client__sasl_plain_password_file": self.folder / "password",
            "sources__chat_server__tls__enabled": "true",
            "sources__chat_server__tls__ca_file": self.folder / "ca.pem",
            "sources__chat_server__tls__certificate_file": self.folder / "certificate.pem",
            "sources__chat_server__tls__key_file": self.folder / "key.pem",
            "sources__chat_server__max_sessions_per_connection": 1,  # each new chat needs a new connection
        }

    def ends_of(self, *which: str) -> dict[str, float]:
        """Return when these certificates and authorities end, by the names of the metric."""
        return {one: self.ends["_ca" if one.endswith("_ca") else ""] for one in which}

    def registry_and_http(self, *registries: int, user: str | None = None) -> dict[str, Any]:
        """Return the settings of a registry at these ports, and of a listener with TLS.

        The password is that of the user, or the token where there is none.
        """
        password = self.folder / "password"
        who = {"bearer_token_file": password} if user is None else {"user": user, "password_file": password}
        return {
            "schema_registry__url": ",".join(f"https://{LOOPBACK}:{port}{REGISTRY_PATH}" for port in registries),
            **{f"schema_registry__auth__{name}": value for name, value in who.items()},
            "schema_registry__tls__ca_file": self.folder / "ca.pem",
            "schema_registry__tls__certificate_file": self.folder / "certificate.pem",
            "schema_registry__tls__key_file": self.folder / "key.pem",
            "http__tls__certificate_file": self.folder / "certificate.pem",
            "http__tls__key_file": self.folder / "key.pem",
            **{f"http__{one}_file": self.folder / one for one in HTTP_TOKENS},
        }
