"""Which of the TLS files that settings name cannot be read or used, and why."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bridge.secret_files import reason_of

if TYPE_CHECKING:
    from bridge.tls import TlsFiles


class TlsFileSettings(NamedTuple):
    """The settings that name the files, within their section."""

    ca: str = "ca_file"
    certificate: str = "certificate_file"
    key: str = "key_file"


def tls_file_problem(files: TlsFiles, settings: TlsFileSettings, *, server: bool = False) -> str | None:
    """Return `setting: problem` of the first file that cannot be read or used; None when all can.

    A password that cannot be read is no problem here: it is reported where settings that are kept in files are read.
    """
    named = ((settings.ca, files.ca), (settings.certificate, files.certificate), (settings.key, files.key))
    for setting, file in named:
        if file is not None and (why := _unreadable(file)) is not None:
            return f"{setting}: {file} cannot be read: {why}"
    if files.ca is not None:
        try:
            ssl.create_default_context(cafile=files.ca)
        except OSError as error:
            return f"{settings.ca}: {files.ca} cannot be used: {_reason(error)}"
    try:
        if files.password is not None:
            files.password()
    except (OSError, ValueError):
        return None
    try:
        _ = files.server_context() if server else files.client_context()
    except (OSError, ValueError) as error:
        pair = "" if files.key is None else f" with the key in {files.key}"
        return f"{settings.certificate}: {files.certificate}{pair} cannot be used: {_reason(error)}"
    return None


def _unreadable(file: str) -> str | None:
    try:
        with Path(file).open("rb"):
            return None
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        return reason_of(error)


def _reason(error: Exception) -> str:
    """Return OpenSSL's reason in words; it has none for some faults of a file, such as a wrong password."""
    return reason_of(error).replace("_", " ").lower() if isinstance(error, ssl.SSLError) else reason_of(error)
