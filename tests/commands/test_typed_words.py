"""What an operator types that was not meant so: empty values, bytes that are no text, files that cannot be used."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli import main
from bridge.commands.formatting import say_line
from bridge.commands.verification import Selection
from bridge.errors import EXIT_CONFIGURATION, EXIT_ENVIRONMENT, EXIT_OK, EXIT_RUNTIME
from tests.commands.convert_process import ENVIRON, SAMPLES
from tests.support.modes import SUBJECT_TO_MODES

ROOT = Path(__file__).parents[2]
NOWHERE = ["--bootstrap-servers", "127.0.0.1:1"]
SUBJECTS = [
    "--reason",
    "a test",
    "--set",
    'privacy.subjects=["EmailAddress"]',
    "--set",
    f"privacy.hash_key_file={SAMPLES[0]}",
]
LATIN = b"M\xfcller"


def chatbridge(
    *words: str | bytes | Path, stdin: bytes = b"", encoding: str = "utf-8:strict", before: tuple[str, ...] = ()
) -> tuple[int, str, str]:
    """Run a command; return its exit code, and what it has written."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "bridge", *words],
        cwd=ROOT,
        env={**ENVIRON, "PYTHONIOENCODING": encoding},
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


@pytest.mark.parametrize("chat", ["", os.fsdecode(LATIN)], ids=["empty", "no text"])
@pytest.mark.parametrize(
    "words",
    [
        ["tail", "--chat"],
        ["export", "folder", "--chat"],
        ["verify", "--chat"],
        ["unseal", "--reason", "a test", "--chat"],
        ["reconcile", "chat.xml", "--chat"],
        ["proof"],
    ],
    ids=lambda words: words[0],
)
def test_no_chat_is_not_every_chat(words: list[str], chat: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, chat, *NOWHERE]) == EXIT_CONFIGURATION
    assert f"{'SESSION' if words == ['proof'] else '--chat'}: expected the id of a chat" in capsys.readouterr().err


@pytest.mark.parametrize("principal", ["", "bridge"])
def test_rights_are_printed_for_nobody_else_than_who_was_named(
    principal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["acls", "--principal", principal]) == EXIT_CONFIGURATION
    assert capsys.readouterr() == ("", f"chatbridge: acls: --principal {principal!r}: expected User:NAME\n")


@pytest.mark.parametrize(
    ("words", "stdin", "named"),
    [
        (["subject", "find", LATIN, *SUBJECTS], b"", "VALUE"),
        (["subject", "find", "-", *SUBJECTS], LATIN, "VALUE"),
        (["erase", "s1", "--reason", LATIN], b"", "--reason"),
        (["hold", "s1", "--reason", "a test", "--who", LATIN], b"", "--who"),
    ],
    ids=["value", "value read", "reason", "who"],
)
@pytest.mark.parametrize("encoding", ["utf-8:strict", "utf-8:surrogateescape"])
def test_bytes_that_are_no_text_are_refused_before_anything_is_asked(
    words: list[str | bytes], stdin: bytes, named: str, encoding: str
) -> None:
    code, out, errors = chatbridge(*words, *NOWHERE, stdin=stdin, encoding=encoding)
    assert (code, out) == (EXIT_CONFIGURATION, "")
    assert f": {named} is no text in this locale\n  next: write it in UTF-8\n" in errors


@pytest.mark.parametrize(("name", "shown"), [(b"a\xff", "a\\udcff.xml"), ("a€".encode(), "a\\u20ac.xml")])
def test_a_name_that_the_locale_cannot_show_ends_no_command(tmp_path: Path, name: bytes, shown: str) -> None:
    file = os.path.join(os.fsencode(tmp_path), name + b".xml")  # noqa: PTH118 - of bytes
    Path(os.fsdecode(file)).write_bytes(SAMPLES[0].read_bytes())
    for form in ("--csv", "--json"):
        code, out, errors = chatbridge("backfill", "--dry-run", form, file, encoding="ascii:strict")
        assert (code, errors) == (EXIT_OK, "")
        assert shown in out


def test_lines_of_json_are_in_utf_8_whatever_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(taken, encoding="latin-1"))
    say_line("€ 5".encode())
    assert taken.getvalue() == "€ 5\n".encode()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["verify", "closed"], "closed cannot be used: Permission denied"),
        (
            ["convert", "--avro", "closed/out.avro", str(SAMPLES[0])],
            "closed/out.avro cannot be used: Permission denied",
        ),
        (["backfill", "--dry-run", "--state", "closed/state", "x"], "closed/state cannot be used: Permission denied"),
        (["announce", "s1", "chat-1:4800", "--password-file", "absent"], "absent: No such file or directory"),
        (["announce", "s1", "chat-1:4800", "--password-file", "latin"], "latin: "),
        (["announce", "s1", "chat-1:4800", "--password-file", "empty"], "empty: the file is empty"),
    ],
    ids=["verify", "convert", "backfill", "no password", "a password in Latin-1", "an empty password"],
)
def test_a_file_that_cannot_be_used_is_named_with_the_cause(tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / "closed").mkdir(0o000)
    (tmp_path / "latin").write_bytes(LATIN)
    (tmp_path / "empty").touch()
    named = [
        str(tmp_path / word) if word.startswith(("closed", "absent", "latin", "empty")) else word for word in words
    ]
    code, _, errors = chatbridge(*named, before=SUBJECT_TO_MODES)
    assert code == EXIT_ENVIRONMENT
    assert errors.startswith(f"chatbridge: {tmp_path}/{told}")
    assert "ller" not in errors


@pytest.mark.parametrize("more", [["chat-1:4800"], ["--tenant", "t"], ["--password-file", "x"]])
def test_announcements_that_are_read_take_nothing_from_the_arguments(more: list[str]) -> None:
    assert main(["announce", "-", *more, *NOWHERE]) == EXIT_CONFIGURATION


def test_a_window_outside_the_years_of_dates_has_a_text() -> None:
    assert str(Selection(since=-(1 << 56), until=1 << 60)).startswith("opened or closed from -")


def test_a_container_stays_as_it_is_when_nothing_could_be_converted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, absent = tmp_path / "out.avro", str(tmp_path / "absent.xml")
    assert main(["convert", "--avro", str(out), absent]) == EXIT_RUNTIME
    assert not out.exists()
    assert main(["convert", "--avro", str(out), str(SAMPLES[0])]) == EXIT_OK
    before = out.read_bytes()
    assert main(["convert", "--avro", str(out), absent]) == EXIT_RUNTIME
    assert out.read_bytes() == before
    assert f"nothing was converted: {out} is not written" in capsys.readouterr().err
    assert main(["convert", "--avro", str(out), absent, str(SAMPLES[1])]) == EXIT_RUNTIME
    assert out.read_bytes() != before


@pytest.mark.parametrize("seconds", ["nan", "-1", "soon"])
def test_a_time_to_wait_that_is_none_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["erase", "s1", "--reason", "a test", "--wait-seconds", seconds, *NOWHERE]) == EXIT_CONFIGURATION
    assert f"--wait-seconds: expected a number of seconds, found {seconds!r}" in capsys.readouterr().err
