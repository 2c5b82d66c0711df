"""What verdicts are compared with, as files beside the ledgers of a run, and the comparison on its own.

`python -m tests.chaos.verdict_files FOLDER`: exit code 0 when all verdicts agree.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.ledger_verdicts import FaultTimes, SentGarbage
from tests.chaos.published_events import PublishedEvent
from tests.chaos.verdict_comparison import ToldVerdict, compare_verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TIMES: Final = "fault-times.json"
_TOLD: Final = "certificates.json"
_PUBLISHED: Final = "published-events.json"


def keep(
    folder: Path,
    times: FaultTimes,
    told: Mapping[str, ToldVerdict],
    published: Mapping[str, Sequence[PublishedEvent]],
) -> None:
    """Write the files."""
    _write(folder / _TIMES, {"quiet": times.quiet, "garbage": times.garbage, "steady": times.steady})
    _write(folder / _TOLD, told)
    _write(folder / _PUBLISHED, published)


def kept(folder: Path) -> tuple[FaultTimes, dict[str, ToldVerdict], dict[str, list[PublishedEvent]]]:
    """Read the files."""
    times, told, published = (json.loads((folder / name).read_text("utf-8")) for name in (_TIMES, _TOLD, _PUBLISHED))
    return (
        FaultTimes(times["quiet"], [SentGarbage(*one) for one in times["garbage"]], times["steady"]),
        {name: ToldVerdict(*one) for name, one in told.items()},
        {name: [PublishedEvent(*one) for one in events] for name, events in published.items()},
    )


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def main() -> int:
    """Compare what a run has kept."""
    folder = Path(sys.argv[1])
    times, told, published = kept(folder)
    result = compare_verdicts(sorted(folder.glob("chat-server-*.jsonl")), told, times, published)
    sys.stdout.write(f"{result}\n")
    return 1 if result.disagree else 0


if __name__ == "__main__":
    sys.exit(main())
