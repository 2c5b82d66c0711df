"""`python -m tests.watching.faulty_worker run ...` is `chatbridge` with what a test can set or provoke.

Its memory limit is the number in MEMORY_LIMIT_FILE of the folder that the environment variable FOLDER names; a chat
announced as DEFECTIVE_CHAT crashes its shard, once. Both are patched in at run time, in that process only.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

from bridge import cli, worker_factories
from bridge.capture.inbox import Announced, Input
from bridge.capture.session_store import SessionStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.look_ahead import Behind

FOLDER: Final = "WATCHED_FOLDER"
MEMORY_LIMIT_FILE: Final = "memory-limit"
DEFECTIVE_CHAT: Final = "DEFECTIVE00000001"


def _crash_once() -> None:
    fold, crashed = SessionStore.fold, False

    def defective(
        self: SessionStore, inputs: Sequence[Input], now: int, *, mark: bool = False, behind: Behind = None
    ) -> TransactionPlan:
        nonlocal crashed
        announced = [one.announcement for one in inputs if isinstance(one, Announced) and one.announcement is not None]
        if not crashed and any(one.session_id == DEFECTIVE_CHAT for one in announced):
            crashed = True
            raise ZeroDivisionError
        return fold(self, inputs, now, mark=mark, behind=behind)

    SessionStore.fold = defective  # type: ignore[method-assign]


def _limit_from_file() -> None:
    path = Path(os.environ[FOLDER]) / MEMORY_LIMIT_FILE
    patch.object(worker_factories, "memory_limit", lambda: int(path.read_text("ascii"))).start()


if __name__ == "__main__":
    _crash_once()
    _limit_from_file()
    sys.exit(cli.main())
