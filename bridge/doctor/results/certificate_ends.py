"""How long certificates are still valid: those that servers show, and those in files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bridge.doctor.results.check_result import failed, not_checked, ok, warning
from bridge.doctor.results.doctor_codes import CERTIFICATE_ENDED, CERTIFICATE_ENDS_SOON, NO_CERTIFICATE
from bridge.doctor.results.quantities import seconds_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.doctor.results.check_result import CheckResult

SOON_SECONDS: Final = 21 * 86_400
_EXIST: Final = "the file holds no certificate with a readable date"


def chain_result(server: str, ends: Sequence[float], now: float, renew: str) -> CheckResult:
    """Judge the chain that a server shows. `ends` in seconds since 1970 UTC, that of its own certificate first."""
    if not ends:
        text = f"{server} shows no certificate"
        return failed(server, NO_CERTIFICATE, text, "check the address, and that this port uses TLS")
    first = min(ends)
    at = ends.index(first)
    which = "its certificate" if at == 0 else f"certificate {at + 1} of the {len(ends)} that it shows"
    count = f"the first of {len(ends)} in its chain to end" if len(ends) > 1 else "the only one that it shows"
    return _judged(server, f"{which}, {count},", first, now, renew)


def file_result(subject: str, file: str, ends: float | None, now: float) -> CheckResult:
    """Judge the certificates in a file, of which `ends` is when the one that counts ends."""
    if ends is None:
        return not_checked(subject, NO_CERTIFICATE, f"{file}: {_EXIST}")
    return _judged(subject, f"the certificate in {file}", ends, now, f"renew {file}; it is read again by itself")


def _judged(subject: str, what: str, end: float, now: float, renew: str) -> CheckResult:
    day = f"{datetime.fromtimestamp(end, UTC):%Y-%m-%d %H:%M} UTC"
    left = end - now
    if left <= 0:
        step = f"{renew}; if the date is wrong, set this machine's clock"
        return failed(subject, CERTIFICATE_ENDED, f"{what} ended on {day}", step)
    text = f"{what} ends on {day}, in {seconds_in_words(left)}"
    return warning(subject, CERTIFICATE_ENDS_SOON, text, renew) if left < SOON_SECONDS else ok(subject, text)
