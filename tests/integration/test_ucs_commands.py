"""`backfill ucs` publishes what a UCS database holds, and `reconcile ucs-http` compares what UCS says over HTTP."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bridge.simulator.ucs.saved_chats import STOPPED, SavedRow
from bridge.simulator.ucs.ucs_table import UcsTable
from tests.integration.e2e_environment import E2EEnvironment
from tests.integration.test_filled_holes import chatbridge
from tests.sources.ucs.interaction_table import transcript

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["S1", "S2", "S3"]
SINCE = "2031-03-04T00:00:00Z"
START = 1_930_384_800  # 2031-03-04T10:00:00Z
DAY = 86_400


def over(session_id: str, *said: str, start: int = START) -> SavedRow:
    return SavedRow(session_id, STOPPED, start, start + 60, start + 60, transcript(session_id, *said))


def test_what_a_database_holds_since_a_time_is_published_and_agrees_with_ucs_over_http(
    broker: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/ucs.db"
    table = UcsTable(url)
    table.create()
    table.insert_many([over("OLD", "a", start=START - DAY), *(over(name, "a", "b") for name in NAMES)])
    environment = E2EEnvironment(broker, tmp_path)
    simulator = environment.simulator(announce=False, no_traffic=True, ucs_url=url, ucs_http=0)
    by_id = ("reconcile", "ucs-http", "--set", f"sources.ucs.http.url=http://{simulator.ucs_http}")
    with simulator, environment.bridge() as bridge:
        bridge.wait_ready()
        code, lines, told = chatbridge(environment, "backfill", "ucs", "--ucs-url", url, "--since", SINCE, "--wait")
        summary = lines[-1]["summary"]
        assert (code, summary["sent"], summary["published"]) == (0, len(NAMES), True), told
        events = Counter((one["sessionId"], one["eventId"], one["origin"]) for one in environment.records("events"))
        assert events == {(name, event_id, "ARCHIVE"): 1 for name in NAMES for event_id in (1, 2)}
        assert {one["verdict"] for one in environment.certificates().values()} == {"COMPLETE"}

        code, lines, told = chatbridge(environment, *by_id)
        assert (code, lines[-1]["summary"]["classes"]["filled"]) == (0, len(NAMES)), (told, lines)
        table.save(over("S2", "a", "another text"))
        code, lines, told = chatbridge(environment, *by_id)
        classes = {one["chat"]["sessionId"]: one["chat"]["class"] for one in lines[:-1]}
        assert (code, classes) == (1, {"S1": "filled", "S2": "unexplained", "S3": "filled"}), told
        assert bridge.terminate() == 0
    table.close()
