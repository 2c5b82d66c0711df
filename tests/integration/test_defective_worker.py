"""A defect that is no shard's own ends the process in order: every chat is left, exit code 1, its class in the log.

`python -m tests.integration.test_defective_worker WHICH FILE run ...` is `chatbridge` with such a defect: once there is
a FILE, the worker's own loop dies, or a callback of the event loop, or a task that nobody awaits. The defect is patched
in at run time, in that process only.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from bridge import cli
from bridge.capture.worker import Worker
from tests.integration.e2e_environment import E2EEnvironment, all_joined, followed, joins_and_leaves
from tests.support.processes import Bridge, wait_for

if TYPE_CHECKING:
    from bridge.capture.consumer_ports import Announcements

CHATS = 6


@pytest.mark.parametrize("which", ["loop", "callback", "task"])
def test_a_defect_of_the_worker_ends_the_process_in_order(broker: str, tmp_path: Path, which: str) -> None:
    trigger = tmp_path / "trigger"

    class Defective(Bridge):
        program: ClassVar[list[str]] = ["-m", "tests.integration.test_defective_worker", which, str(trigger)]

    environment = E2EEnvironment(broker, tmp_path).prepare()
    with (
        environment.chats(concurrent_chats=CHATS) as chats,
        environment.bridge(make=Defective, log__format="json") as bridge,
    ):
        wait_for(lambda: all_joined(bridge, CHATS), 30, lambda: f"joined: {len(bridge.sessions())} of {CHATS}")
        joined = len(followed(bridge))
        trigger.touch()
        assert bridge.wait(40) == 1
        left = joins_and_leaves(chats)["RequestReleaseParty"]
        assert left >= joined - 1  # one may have ended meanwhile
    assert environment.interference() == []
    lines = [json.loads(line) for line in bridge.log.read_text("utf-8").splitlines() if line.startswith("{")]
    (defect,) = [line for line in lines if line["event"] == "defect_found"]
    assert defect["error"] == ("ZeroDivisionError" if which == "loop" else "AttributeError")
    assert any("worker.py" in place for place in defect["at"])
    (drained,) = [line for line in lines if line["event"] == "drained"]
    assert drained["complete"] is True


def _die_once_there_is(trigger: Path, which: str) -> None:
    restart = Worker._restart_crashed

    def triggered() -> bool:
        there = trigger.exists()
        trigger.unlink(missing_ok=True)
        return there

    async def task(worker: Any) -> None:
        worker._dispatch(None)

    async def defective(self: Worker, consumer: Announcements) -> None:
        if triggered():
            if which == "loop":
                raise ZeroDivisionError
            if which == "callback":
                asyncio.get_running_loop().call_soon(self._dispatch, None)  # type: ignore[arg-type]
            else:
                asyncio.get_running_loop().create_task(task(self))
        await restart(self, consumer)

    Worker._restart_crashed = defective  # type: ignore[method-assign]


if __name__ == "__main__":
    _die_once_there_is(Path(sys.argv.pop(2)), sys.argv.pop(1))
    sys.exit(cli.main())
