"""What `unseal` writes: no half of a file that looks whole, and no input of which a part is missing without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fastavro
import pytest

from bridge.commands.clear_records import clear_file
from bridge.commands.input_parts import CollectedInput, InputParts
from bridge.errors import EnvironmentFault, VerificationFailed
from bridge.records.avro import QUARANTINED_INPUT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def part(number: int, parts: int = 3, at: int = 1) -> dict[str, Any]:
    return {
        "site": "main",
        "source": "chat-1:4800",
        "sessionId": None,
        "observedAt": at,
        "code": "TOO_LONG",
        "detail": "",
        "bytes": b"%d" % number,
        "part": number,
        "parts": parts,
        "totalBytes": 9,
        "redactions": [],
        "ruleSet": "",
    }


@pytest.mark.parametrize("error", [KeyboardInterrupt, VerificationFailed("scripted")])
def test_a_file_that_is_not_finished_is_removed(tmp_path: Path, error: type[BaseException] | BaseException) -> None:
    def interrupted() -> None:
        with clear_file(tmp_path / "clear.avro", QUARANTINED_INPUT) as clear:
            clear.add(part(1, 1))
            raise error

    with pytest.raises((KeyboardInterrupt, VerificationFailed)):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_file_has_its_name_when_it_is_whole_and_none_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "clear.avro"
    with clear_file(path, QUARANTINED_INPUT) as clear:
        clear.add(part(1, 1))
        assert not path.exists()
    with path.open("rb") as file:
        assert [one["bytes"] for one in fastavro.reader(file)] == [b"1"]  # type: ignore[index,call-overload]
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(EnvironmentFault, match=r"clear.avro cannot be written: File exists"), clear_file(path, "any"):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["clear.avro"]


def test_a_file_that_appears_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "clear.avro"

    def written() -> None:
        with clear_file(path, QUARANTINED_INPUT) as clear:
            clear.add(part(1, 1))
            path.write_bytes(b"of somebody else")

    with pytest.raises(EnvironmentFault, match=r"clear.avro cannot be written: File exists"):
        written()
    assert path.read_bytes() == b"of somebody else"
    assert list(tmp_path.iterdir()) == [path]


def told(one: CollectedInput) -> tuple[str, bytes | None]:
    try:
        return one.where, one.whole()
    except VerificationFailed:
        return one.where, None


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([part(1), part(2), part(3)], [("0", b"123")]),
        ([part(1, 1), part(1), part(2), part(1, 1, at=2)], [("0", b"1"), ("1", None), ("3", b"1")]),
        ([part(1), part(3)], [("0", None), ("1", None)]),
        ([part(2), part(3)], [("0", None)]),
        ([part(1), part(2)], [("0", None)]),
        ([part(1), part(2, at=2), part(3, at=2)], [("0", None), ("1", None)]),
    ],
)
def test_input_of_which_a_part_is_missing_is_told(
    records: Sequence[dict[str, Any]], found: list[tuple[str, bytes | None]]
) -> None:
    parts = InputParts()
    taken = [each for at, one in enumerate(records) for each in parts.take(7, str(at), one)]
    assert [told(one) for one in (*taken, *(one for _, one in parts.rest()))] == found
