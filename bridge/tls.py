"""TLS contexts whose files are read again when they change: certificates and keys are renewed while a process runs."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bridge.certificate_dates import ends
from bridge.secret_files import FileBacked

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True, frozen=True, kw_only=True)
class TlsFiles:
    """What one side of TLS connections uses. Without `ca`, a client trusts the authorities of the system.

    All files are PEM. `password` returns that of the key, which is in `password_file` if it is in a file.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    password: Callable[[], str] | None = None
    password_file: str | None = None
    verify_hostname: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all files."""
        return tuple(file for file in (self.ca, self.certificate, self.key, self.password_file) if file is not None)

    def client_context(self) -> ssl.SSLContext:
        """Return a context that always verifies the other side's certificate.

        Raises OSError (of which ssl.SSLError is one) when a file cannot be read or used.
        """
        context = ssl.create_default_context(cafile=self.ca)
        context.check_hostname = self.verify_hostname
        return self._with_certificate(context)

    def server_context(self) -> ssl.SSLContext:
        """Return the context of a server, which asks for no certificate. Raises OSError as above."""
        return self._with_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    def _with_certificate(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None:
            # Without a password OpenSSL would ask on the terminal; an empty one makes it fail instead.
            context.load_cert_chain(self.certificate, self.key, self.password or "")
        return context


@dataclass(slots=True, frozen=True)
class LoadedContext:
    """A context made of files, and until when these are valid, in seconds since 1970 UTC; None where there are none.

    Of the certificates that are shown, the first to end counts. Of authorities the last: a file may hold the former one
    beside the next.
    """

    context: ssl.SSLContext
    certificate_end: float | None
    authority_end: float | None


class RenewedContext(ssl.SSLContext):
    """A context that takes each new connection with the files as they are at that moment.

    It is one by type, for libraries that keep a context as long as they live; what they set on it has no effect.
    """

    def __new__(cls, files: TlsFiles, *, server: bool = False) -> Self:
        """See `__init__`."""
        del files
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, files: TlsFiles, *, server: bool = False) -> None:
        """Raises OSError when the files cannot be used now. Later the former ones stay in force."""
        self.files = files
        make = files.server_context if server else files.client_context
        self.current = FileBacked(
            files.names,
            lambda: LoadedContext(
                make(), min(_ends_in(files.certificate), default=None), max(_ends_in(files.ca), default=None)
            ),
        )

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Return the TLS side of a new connection; asyncio and uvloop make each by this call."""
        return self.current().context.wrap_bio(*args, **kwargs)


def _ends_in(file: str | None) -> list[float]:
    try:
        return [] if file is None else ends(Path(file).read_text("ascii", "replace"))
    except ValueError:  # nobody needs the date of what OpenSSL takes to connect
        return []
