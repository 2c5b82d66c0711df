"""What a running worker says of itself in `/readyz`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.doctor.results.check_result import failed, not_checked, ok, warning
from bridge.doctor.results.doctor_codes import NO_WORKER
from bridge.reason_codes import ADVICE_CODES

if TYPE_CHECKING:
    from bridge.doctor.results.check_result import CheckResult

_SEE: Final = "see the code in docs/reference/codes.md, and the lines above and below"


def worker_results(url: str, answer: object) -> list[CheckResult]:
    """Return a line per reason and per warning. `answer` is the body of `/readyz`, whatever answers there."""
    if not isinstance(answer, dict) or not isinstance(answer.get("ready"), bool):
        return [not_checked(url, NO_WORKER, "something answers there that is no worker")]
    found = [failed(url, *_texts(one)) for one in _problems(answer, "reasons")]
    found += [warning(url, *_texts(one)) for one in _problems(answer, "warnings")]
    return found or [ok(url, "a worker answers there, and is ready")]


def no_worker(url: str) -> CheckResult:
    """Return the line about a place where nothing listens."""
    step = "run `doctor` on the worker's host with its settings, or start the worker"
    return not_checked(url, NO_WORKER, "no worker of these settings answers here", step)


def _problems(answer: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = answer.get(kind)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _texts(problem: dict[str, Any]) -> tuple[str, str, str]:
    code = str(problem.get("code", ""))
    meaning = ADVICE_CODES.get(code)
    step = _SEE if meaning is None else meaning[1].removesuffix(".")
    return code, f"the worker says: {problem.get('detail', '')}", step[0].lower() + step[1:]
