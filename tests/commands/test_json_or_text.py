"""What `chatbridge redact` takes for JSON, for a text, and for neither: a text is no way out for JSON in part."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bridge import cli
from bridge.errors import EXIT_OK, EXIT_RUNTIME

if TYPE_CHECKING:
    from pathlib import Path

ATTRIBUTES = '{"userData": {"FirstName": "Nora"}, "SecureKey": "hidden-71"}'


@pytest.fixture(autouse=True)
def _rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHATBRIDGE_CONFIG", raising=False)
    rule = {"name": "names", "attribute": "*Name", "mask": "fixed"}
    monkeypatch.setenv("CHATBRIDGE_PRIVACY__RULES", json.dumps([rule]))


def file_with(folder: Path, text: str) -> Path:
    file = folder / "file"
    file.write_bytes(text.encode())
    return file


def redacted(capsys: pytest.CaptureFixture[str], file: Path) -> str:
    assert cli.main(["redact", str(file)]) == EXIT_OK
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'{ATTRIBUTES}\n{{"userData": {{"FirstName": "No', 1),
        (f'e": "Nora"}}}}\n{ATTRIBUTES}\n', 2),
        (f"2031-03-05 a log begins\n\n  {ATTRIBUTES}\n", 3),
        (json.dumps(json.loads(ATTRIBUTES), indent=2) * 2, 1),
        (f"[\n  {ATTRIBUTES},\n", 1),
        (f"\ufeff{{\n {ATTRIBUTES[1:-1]}", 1),
        (f'["Nora", {ATTRIBUTES}', 1),
        (f"[1, 2, {ATTRIBUTES[:-2]}", 1),
        (f'[ -1.5e3 ,null,\n true, ["x", {ATTRIBUTES}', 1),
        (f'[0, "Nora", {ATTRIBUTES}', 1),
        (f"{{}}\n4711\n{ATTRIBUTES[:-2]}", 3),
        (f"a log begins\n[1, {ATTRIBUTES}]\n", 2),
    ],
    ids=[
        "cut off",
        "begins in a line",
        "other lines",
        "two values",
        "a list cut off",
        "with a mark",
        "a list of texts",
        "a list that begins with numbers",
        "a list over lines",
        "a list of a number and a text",
        "cut off after other values",
        "a line with a list",
    ],
)
def test_json_that_is_none_as_a_whole_is_no_text_and_is_refused(
    text: str, line: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_with(tmp_path, text)
    assert cli.main(["redact", str(file)]) == EXIT_RUNTIME
    told = capsys.readouterr()
    assert (told.out, told.err.startswith(f"{file}:{line}: JSON, ")) == ("", True)
    assert "Nora" not in told.err


@pytest.mark.parametrize(
    "text",
    [
        "[10:02:03] Nora: hello\n",
        '[10:02:03, "Nora"] hello\n',
        '[2031-03-05, {"Nora"}] hello\n',
        "{sic} hello\n",
        "he wrote {} and\n{} again\n",
        "[1]\nx\n",
        "[1] see footnote\n[1, 2] both\n",
        '[1] {"a footnote"}\n',
        "[1, 2, " + "3, " * 100_000,  # no name in it, and read in one pass
    ],
    ids=range(9),
)
def test_a_text_with_brackets_is_a_text(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert redacted(capsys, file_with(tmp_path, text)) == text


def test_the_mark_before_json_does_not_make_a_text_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(redacted(capsys, file_with(tmp_path, "\ufeff" + ATTRIBUTES))) == {
        "userData": {"FirstName": "***"}
    }
