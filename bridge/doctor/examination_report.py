"""The examination as text and as JSON, and its exit code. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from bridge.doctor.results.check_result import CheckState
from bridge.doctor.results.doctor_codes import DOCTOR_DEFECT
from bridge.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.doctor.examination import CheckedSubject

_WORDS: Final = {
    CheckState.OK: "ok",
    CheckState.WARNING: "WARNING",
    CheckState.FAILED: "FAILED",
    CheckState.NOT_CHECKED: "not checked",
}
_COLUMNS: Final = max(len(word) for word in _WORDS.values())
_JSON_VERSION: Final = 1


def lines_of(checked: CheckedSubject) -> Iterable[str]:
    """Yield the lines about one subject: its name, then each result with its cause and what to do."""
    yield checked.name
    for result in checked.results:
        code = "" if result.state is CheckState.OK else f" [{result.code}]"
        subject = "" if result.subject == checked.name else f"{result.subject}: "
        yield f"  {_WORDS[result.state]:{_COLUMNS}}  {subject}{result.detail}{code}"
        if result.next_step:
            yield f"  {'':{_COLUMNS}}    next: {result.next_step}"


def summary_of(subjects: Iterable[CheckedSubject]) -> str:
    """Return the last line."""
    counts = counted(subjects)
    return ", ".join(f"{counts[state]} {state.value}" for state in CheckState)


def counted(subjects: Iterable[CheckedSubject]) -> Mapping[CheckState, int]:
    """Return how many lines have each state."""
    return Counter(result.state for checked in subjects for result in checked.results)


def as_json(subjects: Iterable[CheckedSubject], about: Mapping[str, str]) -> dict[str, Any]:
    """Return the object that `--json` prints; its fields are described in docs/operating.md.

    `about` says what was examined: version, group, worker id.
    """
    subjects = list(subjects)
    return {
        "format": _JSON_VERSION,
        **about,
        "exitCode": exit_code(subjects),
        "counts": {state.value: counted(subjects)[state] for state in CheckState},
        "checks": [
            {
                "check": checked.name,
                "subject": result.subject,
                "state": result.state.value,
                "code": result.code,
                "detail": result.detail,
                "next": result.next_step,
            }
            for checked in subjects
            for result in checked.results
        ],
    }


def exit_code(subjects: Iterable[CheckedSubject]) -> int:
    """Return 3 after a defect of `doctor` or when nothing could be looked at, 1 when a line failed, and 0 otherwise."""
    subjects = list(subjects)
    counts = counted(subjects)
    if any(result.code == DOCTOR_DEFECT for checked in subjects for result in checked.results):
        return EXIT_ENVIRONMENT
    if counts[CheckState.FAILED]:
        return EXIT_RUNTIME
    return EXIT_OK if counts[CheckState.OK] or counts[CheckState.WARNING] else EXIT_ENVIRONMENT
