from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from bridge.errors import EnvironmentFault
from tests.image import surroundings_of_images

if TYPE_CHECKING:
    from pathlib import Path


def test_another_user_than_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EnvironmentFault, match="as root"):
        surroundings_of_images.prepare()


def test_tools_that_cannot_be_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(EnvironmentFault, match=r"missing: mmdebstrap, buildah, podman, runc, uidmap, .* no apt-get"):
        surroundings_of_images.prepare()


def test_a_machine_without_name_spaces_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", str)
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\necho 'Operation not permitted' >&2\nexit 1\n", "utf-8")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(EnvironmentFault, match="name spaces cannot be made here: Operation not permitted"):
        surroundings_of_images.prepare()


def test_what_fails_is_said_with_its_own_words() -> None:
    with pytest.raises(EnvironmentFault, match=r"ends with 2: .*no-such-file"):
        surroundings_of_images.said(["ls", "/no-such-file"])
