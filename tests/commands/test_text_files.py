"""Text files that a command is given: those of other systems have other line ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.commands.text_files import bytes_of, decoded, text_of
from bridge.errors import EnvironmentFault

if TYPE_CHECKING:
    from pathlib import Path


def test_a_text_has_line_feeds_and_what_is_decoded_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "head"
    file.write_bytes(b"origin\r\n12\rroot\n")
    assert text_of(file) == "origin\n12\nroot\n"
    assert decoded(file, bytes_of(file)) == "origin\r\n12\rroot\n"


def test_what_is_no_text_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "head"
    file.write_bytes(b"\xff")
    with pytest.raises(EnvironmentFault, match=r"head is no text in UTF-8"):
        text_of(file)
