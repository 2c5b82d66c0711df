"""`chatbridge backfill` without Kafka: what it would send, the state that it keeps, its reports and exit codes."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bridge.commands.backfill_state import BackfillState, digest_of
from bridge.errors import UsageError
from tests.commands.archive_folder import DAMAGED, sample
from tests.commands.convert_process import ENVIRON, SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = "chat.capture.stored.v1"


def backfill(*words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bridge", "backfill", *map(str, words)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False, env=ENVIRON)


def test_a_dry_run_reports_each_document_in_three_forms(tmp_path: Path) -> None:
    (tmp_path / "damaged.xml").write_bytes(DAMAGED["cut off"])
    (tmp_path / "no.xml").write_bytes(b"nothing")
    done = backfill("--dry-run", "--json", tmp_path, *SAMPLES)
    *rows, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert last["summary"] | {"events": 0} == {
        "sent": 0, "wouldSend": 4, "sentBefore": 0, "notNeeded": 0, "refused": 1, "events": 0, "repaired": 1,
        "published": False,
    }  # fmt: skip
    assert [row["document"]["code"] for row in rows if row["document"]["outcome"] == "refused"] == ["NOT_XML"]
    table = backfill("--dry-run", tmp_path, *SAMPLES)
    assert b"5 documents: 1 refused, 4 would send" in table.stdout
    values = list(csv.reader(io.StringIO(backfill("--dry-run", "--csv", *SAMPLES).stdout.decode())))
    assert [row[4] for row in values] == ["outcome", "would_send", "would_send", "would_send"]


def test_standard_input_may_hold_several_chats() -> None:
    done = backfill("--dry-run", "--json", "-", stdin=sample(0) + sample(1))
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["summary"]["wouldSend"] == 2


def test_nothing_found_is_no_success(tmp_path: Path) -> None:
    done = backfill("--dry-run", tmp_path)
    assert (done.returncode, b"nothing was found" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "words", ["ucs", "ucs --since 2031-01-01", "a.xml --since 2031-01-01", "--dry-run --wait a.xml"]
)
def test_what_does_not_go_together_is_refused(words: str) -> None:
    assert backfill(*words.split()).returncode == 2


@pytest.mark.parametrize("ending", [b"", b"\0" * 4 + b"\n", b"zzzz\n", b"\xff\xff\xff\xff\n"])
def test_the_state_remembers_what_was_confirmed_and_survives_a_cut_or_damaged_line(
    tmp_path: Path, ending: bytes
) -> None:
    path = tmp_path / "backfill.state"
    one, two, three = (digest_of("S", text) for text in (b"1", b"2", b"3"))
    with BackfillState(path, TOPIC, "kafka:9092") as state:
        assert not path.exists()
        state.confirm([one])
        state.confirm([two])
    path.write_bytes(path.read_bytes()[:-5] + ending)
    with BackfillState(path, TOPIC, "kafka:9092") as state:
        assert (one in state, two in state) == (True, False)
        state.confirm([three])
    with BackfillState(path, TOPIC, "kafka:9092") as state:
        assert (one in state, three in state) == (True, True)


def test_the_state_of_another_topic_and_another_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "backfill.state"
    with BackfillState(path, TOPIC, "kafka:9092") as state:
        state.confirm([digest_of("S", b"1")])
    with pytest.raises(UsageError, match="it is of topic"):
        BackfillState(path, f"other.{TOPIC}", "kafka:9092")
    with pytest.raises(UsageError, match="not the state of a backfill"):
        BackfillState(SAMPLES[0], TOPIC, "kafka:9092")
