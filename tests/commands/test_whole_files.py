"""Files of commands: the name is there when all of it is, also on a full disk, or with two commands at once."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.cli import main
from bridge.commands.whole_files import WholeFiles, whole_file
from bridge.errors import EXIT_ENVIRONMENT, EnvironmentFault, VerificationFailed
from tests.commands.convert_process import SAMPLES
from tests.support.modes import SUBJECT_TO_MODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[2]
REPLACING = """
import sys
from pathlib import Path
from bridge.commands.whole_files import whole_file

with whole_file(Path(sys.argv[1]), replaces=True) as file:
    file.write(b"new")
"""
LIMITED = """
import resource, sys
from bridge.cli import main

resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
sys.exit(main(sys.argv[1:]))
"""
"""A command that finds no room for more than a few bytes."""


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def write(paths: Sequence[Path], then: Callable[[], object] = lambda: None) -> None:
    """Write new files, one of which is closed at once; then something happens."""
    with WholeFiles(paths[0].parent) as files:
        for path in paths:
            files.new(path).write(b"ours")
        files.new(paths[0].with_name("closed")).close()
        then()


@pytest.mark.parametrize(
    "error", [ssl.SSLError(1, "of TLS"), socket.gaierror(-2, "of an address"), ConnectionResetError(104, "of a peer")]
)
def test_what_fails_beside_the_files_is_not_told_of_them(tmp_path: Path, error: OSError) -> None:
    def fails() -> None:
        raise error

    with pytest.raises(type(error), match=error.strerror):
        write([tmp_path / "one"], fails)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), VerificationFailed("scripted"), OSError(errno.ENOSPC, "full")])
def test_of_what_is_interrupted_nothing_is_left(tmp_path: Path, error: BaseException) -> None:
    def fails() -> None:
        raise error

    with pytest.raises((KeyboardInterrupt, VerificationFailed, EnvironmentFault)):
        write([tmp_path / "one", tmp_path / "two"], fails)
    assert names_in(tmp_path) == []


def test_files_get_their_names_together_when_each_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, list[str]]] = []
    sync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, names_in(tmp_path)))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    with WholeFiles(tmp_path) as files:
        for name in ("one", "two"):
            files.new(tmp_path / name).write(name.encode())
        assert names_in(tmp_path) == ["one.part", "two.part"]
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"one": b"one", "two": b"two"}
    parts, whole = ["one.part", "two.part"], ["one", "two"]
    assert synced == [("one.part", parts), ("two.part", parts), (tmp_path.name, whole)]


@pytest.mark.parametrize("links", [True, False])
def test_what_is_there_or_appears_meanwhile_is_not_written_over_and_none_of_the_others_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    if not links:

        def refused(*_: object) -> None:
            raise PermissionError(errno.EPERM, "a file system without links")

        monkeypatch.setattr(os, "link", refused)
    one, two = tmp_path / "one", tmp_path / "two"
    with pytest.raises(EnvironmentFault, match="two cannot be written: File exists"):
        write([one, two], lambda: two.write_bytes(b"of somebody else"))
    assert names_in(tmp_path) == ["two"]
    with pytest.raises(EnvironmentFault, match="two cannot be written: File exists"):
        write([one, two], lambda: pytest.fail("it was begun"))
    assert (names_in(tmp_path), two.read_bytes()) == (["two"], b"of somebody else")
    with whole_file(one) as file:
        file.write(b"ours")
    assert (names_in(tmp_path), one.read_bytes()) == (["one", "two"], b"ours")


@pytest.mark.parametrize("replaces", [True, False])
def test_of_two_commands_at_once_the_second_is_refused_and_the_first_goes_on(tmp_path: Path, *, replaces: bool) -> None:
    path = tmp_path / "one"
    with whole_file(path, replaces=replaces) as first:
        first.write(b"first")
        with (
            pytest.raises(EnvironmentFault, match=r"one.part is there") as refused,
            whole_file(path, replaces=replaces) as second,
        ):
            second.write(b"second")
        assert "if none runs, remove" in refused.value.next_step
    assert (names_in(tmp_path), path.read_bytes()) == (["one"], b"first")


def test_a_file_that_is_replaced_keeps_owner_mode_and_place_and_what_it_held_until_the_new_one_is_whole(
    tmp_path: Path,
) -> None:
    path, link = tmp_path / "one", tmp_path / "link"
    path.write_bytes(b"former")
    if os.geteuid() == 0:
        os.chown(path, 1234, 1235)
    path.chmod(0o640)
    owner = path.stat().st_uid, path.stat().st_gid
    link.symlink_to(path)

    def interrupted() -> None:
        with whole_file(link, replaces=True) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (names_in(tmp_path), path.read_bytes()) == (["link", "one"], b"former")
    with whole_file(link, replaces=True) as file:
        file.write(b"new")
    assert (link.is_symlink(), path.read_bytes(), path.stat().st_mode & 0o777) == (True, b"new", 0o640)
    assert (path.stat().st_uid, path.stat().st_gid) == owner


def test_what_takes_the_place_of_a_private_file_is_private_from_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, before = tmp_path / "one", os.umask(0o022)
    path.touch(0o600)
    modes: list[int] = []
    change = os.fchmod

    def recorded(descriptor: int, mode: int) -> None:
        modes.append(os.fstat(descriptor).st_mode & 0o777)
        change(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", recorded)
    try:
        with whole_file(path, replaces=True) as file:
            file.write(b"new")
    finally:
        os.umask(before)
    assert (modes, path.stat().st_mode & 0o777) == ([0o600], 0o600)


def test_a_file_that_is_write_protected_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_bytes(b"former")
    path.chmod(0o444)
    words = [*SUBJECT_TO_MODES, sys.executable, "-c", REPLACING, str(path)]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert f"EnvironmentFault: {path} cannot be written: Permission denied" in ended.stderr
    assert (names_in(tmp_path), path.read_bytes()) == (["one"], b"former")


@pytest.mark.parametrize("name", ["/", "", "."])
def test_a_file_without_a_name_cannot_be_written(name: str) -> None:
    with pytest.raises(EnvironmentFault, match="cannot be written: Is a directory"), whole_file(Path(name)) as file:
        file.write(b"ours")


def test_what_is_no_regular_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with whole_file(pipe, replaces=True) as file:
            file.write(b"whole")
        assert os.read(reading, 16) == b"whole"
    finally:
        os.close(reading)
    assert names_in(tmp_path) == ["pipe"]
    with pytest.raises(EnvironmentFault, match="no regular file"), WholeFiles(tmp_path) as files:
        files.instead_of(pipe)


@pytest.mark.parametrize("there", [True, False])
def test_a_container_for_which_there_is_no_room_is_not_there_and_the_former_one_is(
    tmp_path: Path, *, there: bool
) -> None:
    out = tmp_path / "out.avro"
    words = ["convert", "--avro", str(out), *map(str, SAMPLES[:2])]
    if there:
        assert main(words) == 0
    before = out.read_bytes() if there else None
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == EXIT_ENVIRONMENT
    assert "out.avro cannot be written: File too large" in ended.stderr
    assert (out.read_bytes() if out.exists() else None) == before
    assert names_in(tmp_path) == ([out.name] if there else [])
