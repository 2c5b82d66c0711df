"""Two workers follow a UCS database without any live door; the one that has the bookmark is killed.

What UCS has no text of, or none that can be read, has a certificate that says so, and `reconcile` shows it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

from tests.commands.convert_process import ENVIRON
from tests.integration.e2e_environment import E2EEnvironment, reasons
from tests.sources.ucs.followed_tables import change
from tests.sources.ucs.interaction_table import InteractionTable, transcript
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Bridge

CHATS = 24


def follows(bridge: Bridge) -> bool:
    return bridge.metric("chatbridge_ucs_last_read_timestamp_seconds") > 0


def test_the_stored_chats_are_published_once_each_although_the_worker_that_reads_them_is_killed(
    broker: str, tmp_path: Path
) -> None:
    table = InteractionTable(f"sqlite:///{tmp_path}/ucs.db")
    url = tmp_path / "url"
    url.write_text(table.url)
    for at in range(CHATS):
        table.add(f"S{at:02}", transcript(f"S{at:02}", "a", "b"), start=f"2031-03-04 10:00:{at // 4:02}")
    table.add("WAITS", None, status=2)
    table.add("BROKEN", "no transcript")
    table.add("LONG", "x" * 1_025)
    table.add("EMPTY", None)
    table.add("no id", None)
    environment = E2EEnvironment(
        broker,
        tmp_path,
        kafka__session_timeout_seconds=6,
        sources__ucs__url_file=str(url),
        sources__ucs__poll_seconds=1,
        sources__ucs__page_rows=4,
        sources__ucs__largest_text_characters=1_024,
        sources__ucs__missing_after_seconds=2,
    )
    with environment.bridge("worker-1") as first, environment.bridge("worker-2") as second:
        wait_for(lambda: follows(first) or follows(second), 60, "nobody reads the table")
        reader, other = (first, second) if follows(first) else (second, first)
        wait_for(lambda: len(environment.certificates()) >= 4, 60, "no chat is closed")
        reader.kill()
        change(table, "WAITS", transcript("WAITS", "a", "b"))
        table.add("LATE", transcript("LATE", "a", "b"), start="2031-03-04 10:00:00")
        wait_for(lambda: follows(other), 60, lambda: f"the other does not go on: {reasons(other)}")
        wait_for(lambda: len(environment.certificates()) == CHATS + 4, 90, "some chats have no certificate")
        records = environment.records("events")
        lacking = {(one["sessionId"], one["gap"]["code"], one["gap"]["detail"]) for one in records if one["gap"]}
        assert lacking == {
            ("EMPTY", "NO_STORED_TEXT", "NO_TEXT"),
            ("LONG", "NO_STORED_TEXT", "UNREADABLE_ROW"),
        }
        events = Counter((one["sessionId"], one["eventId"]) for one in records if not one["gap"])
        assert set(events.values()) == {1}
        assert Counter(session_id for session_id, _ in events) == {session_id: 2 for session_id, _ in events}
        certificates = environment.certificates()
        assert {session_id for session_id, _ in events} == certificates.keys() - {"EMPTY", "LONG"}
        assert {certificates[one]["verdict"] for one in ("EMPTY", "LONG")} == {"INCOMPLETE"}
        set_aside = Counter((record["sessionId"], record["code"]) for record in environment.records("quarantine"))
        assert set_aside == Counter({("BROKEN", "NOT_XML"): 1, ("LONG", "UNREADABLE_ROW"): 1, (None, "NO_TEXT"): 1})
        assert other.terminate() == 0
    flags = ["--bootstrap-servers", broker, "--topic-prefix", environment.prefix, "--json"]
    command = [
        sys.executable,
        "-m",
        "bridge",
        "reconcile",
        *flags,
        "ucs",
        "--ucs-url",
        table.url,
        "--since",
        "2031-03-04",
    ]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, env=ENVIRON)
    *chats, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    classes = {one["chat"]["sessionId"]: one["chat"]["class"] for one in chats}
    lacking_there = {name: found for name, found in classes.items() if found not in {"matched", "filled"}}
    assert lacking_there == {"EMPTY": "no_text", "no id": "never_seen"}
    assert summary["summary"]["classes"]["unexplained"] == 0
