from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.unique_prefixes import unique_prefix

if TYPE_CHECKING:
    from pathlib import Path


def chatbridge(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge", *words], input=stdin, capture_output=True, text=True, timeout=100, check=False
    )


def test_topics_are_made_and_chats_announced_from_the_command_line(broker: str) -> None:
    to = ("--bootstrap-servers", broker, "--topic-prefix", unique_prefix(), "--set", "kafka.partitions=2")
    assert chatbridge("announce", "s1", "chat-1:4800", *to).returncode == 3
    assert chatbridge("topics", "plan", *to).returncode == 1
    assert chatbridge("topics", "apply", *to).stdout.count("done: create ") == 8
    assert chatbridge("topics", "plan", *to).stdout == "all topics are as required\n"
    assert chatbridge("announce", "s1", "chat-1:4800", *to).stdout == "announced 1 chat\n"
    line = json.dumps({"sessionId": "s2", "host": "chat-1", "port": 4800, "password": "s3cret"})
    assert chatbridge("announce", "-", *to, stdin=f"{line}\n\n{line}\n").stdout == "announced 2 chats\n"
    bad = chatbridge("announce", "-", *to, stdin=f'{line}\n{{"sessionId": "s3cret"}}\n')
    assert (bad.returncode, "standard input, line 2" in bad.stderr, "s3cret" in bad.stderr) == (1, True, False)
    nothing = chatbridge("verify", *to)
    assert nothing.returncode == 1
    assert "nothing to verify" in nothing.stdout
    assert chatbridge("tail", "--from-beginning", "--max", "0", *to).returncode == 0


def test_a_command_for_topics_that_were_never_made_names_them(broker: str, tmp_path: Path) -> None:
    (tmp_path / "master").write_text("5a" * 32, "utf-8")
    to = ("--bootstrap-servers", broker, "--topic-prefix", unique_prefix(), "--set", "kafka.partitions=1")
    assert chatbridge("topics", "apply", *to).returncode == 0
    for words, missing in (
        (("proof", "s1", "--keys", "tests/evidence/public_keys.txt"), "chat.capture.leaves.v1"),
        (
            ("unseal", "--reason", "a", "--set", f"sealing.master_key_file={tmp_path / 'master'}"),
            "chat.capture.keys.v1",
        ),
    ):
        done = chatbridge(*words, *to)
        assert done.returncode == 3
        first, *others = done.stderr.splitlines()
        assert (first, len(others)) == (f"chatbridge: there is no topic {to[3]}{missing}", 1)


def test_the_demonstration_counts_every_event_once() -> None:
    done = chatbridge("demo", "--seconds", "20", "--chats", "4")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    numbers = json.loads(done.stdout.splitlines()[-1].partition("every event is on Kafka exactly once.")[2])
    assert numbers["events"] > 50
    assert numbers["missing"] == numbers["duplicates"] == numbers["broken promises"] == 0
