from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from bridge.secret_files import read_secret, reason_of, secret_in

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("content", [b"open-sesame", b"open-sesame\n", b"open-sesame\r\n", b"open-sesame\n\n"])
def test_line_ends_after_a_secret_are_no_part_of_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert read_secret(str(tmp_path / "secret")) == "open-sesame"


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "the file is empty"), (b"\n", "the file is empty"), (b"\xff", "not UTF-8 text")]
)
def test_a_file_without_a_secret_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ValueError, match=r".+") as refused:
        read_secret(str(tmp_path / "secret"))
    assert reason_of(refused.value) == reason


def test_a_secret_is_read_again_when_its_file_changes_and_only_then(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("first")
    secret = secret_in(str(file))
    assert (secret(), secret(), secret.changes) == ("first", "first", 0)
    file.write_text("the second")
    assert (secret(), secret(), secret.changes) == ("the second", "the second", 1)


def test_a_new_file_of_the_same_name_and_size_is_a_change(tmp_path: Path) -> None:
    file, other = tmp_path / "secret", tmp_path / "other"
    file.write_text("first")
    secret = secret_in(str(file))
    other.write_text("other")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)
    assert secret() == "other"


def test_a_link_to_another_file_is_a_change_as_when_kubernetes_renews_a_mounted_secret(tmp_path: Path) -> None:
    for version, text in (("v1", "first"), ("v2", "other")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "secret").write_text(text)
    (tmp_path / "data").symlink_to("v1")
    secret = secret_in(str(tmp_path / "data" / "secret"))
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").replace(tmp_path / "data")
    assert secret() == "other"


def test_what_cannot_be_used_leaves_the_former_secret_in_force_and_is_told(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("first")
    secret = secret_in(str(file))
    file.write_text("")
    assert secret() == "first"
    assert reason_of(secret.error or OSError()) == "the file is empty"
    file.unlink()
    assert secret() == "first"
    assert reason_of(secret.error or OSError()) == "No such file or directory"
    file.write_text("second")
    assert (secret(), secret.error, secret.changes) == ("second", None, 1)
