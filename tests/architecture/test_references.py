"""Every source code and section that code, schemas and documents cite is defined in docs/protocol.md."""

from __future__ import annotations

import re
import tokenize
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[2]
PROTOCOL = ROOT / "docs" / "protocol.md"
CITING = ("bridge", "schemas", "docs")
SUFFIXES = {".py", ".avsc", ".md"}
FILES = sorted(path for room in CITING for path in (ROOT / room).rglob("*") if path.suffix in SUFFIXES)

ANCHOR: Final = re.compile(r'<a id="([^"]+)"></a>(\w+)')
HEADING: Final = re.compile(r"^#{2,3} (\d{1,2}(?:\.\d{1,2})?)\.? ", re.MULTILINE)
TITLE: Final = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
VERSION_ROW: Final = re.compile(r"^\| (\d{3}) \|", re.MULTILINE)
LINK: Final = re.compile(r"\]\(#([^)]+)\)")

SOURCE: Final = re.compile(r"\b[DR]\d{1,2}[a-z]?\b")
SOURCE_RANGE: Final = re.compile(r"\b([DR])(\d{1,2})-\1(\d{1,2})\b")
MARK: Final = re.compile(r"\b(?:DOC|OBS|ASM|RUN)\b")
MARK_OF_A_SOURCE: Final = re.compile(r"\b[DR]\d{1,2}[a-z]? ([A-Z]{3})\b")
SECTIONS: Final = (
    re.compile(r"(?<!RFC \d{4}, )\bsection (\d{1,2}(?:\.\d{1,2})?)\b"),
    re.compile(r"\bprotocol facts,? (\d{1,2}(?:\.\d{1,2})?)\b"),
    re.compile(r"\(([1-9]\.[1-9]\d?)(?=[):,])"),
)
CODE: Final = {tokenize.ENCODING, tokenize.NAME, tokenize.NUMBER, tokenize.OP}
VERSION: Final = re.compile(r"\bD1 row (\d+)\b")


@dataclass(frozen=True)
class References:
    """Names of the things that a text defines, or cites."""

    codes: set[str] = field(default_factory=set)
    sections: set[str] = field(default_factory=set)
    versions: set[str] = field(default_factory=set)

    def missing_from(self, defined: References) -> list[str]:
        return sorted(
            [
                *(self.codes - defined.codes),
                *(f"section {number}" for number in self.sections - defined.sections),
                *(f"D1 row {number}" for number in self.versions - defined.versions),
            ]
        )


def defined_in(text: str) -> References:
    return References(
        {name for name, _ in ANCHOR.findall(text)}, set(HEADING.findall(text)), set(VERSION_ROW.findall(text))
    )


def cited_in(text: str) -> References:
    codes = {*SOURCE.findall(text), *MARK.findall(text), *MARK_OF_A_SOURCE.findall(text)}
    for letter, first, last in SOURCE_RANGE.findall(text):
        codes |= {f"{letter}{number}" for number in range(int(first), int(last) + 1)}
    sections = {number for pattern in SECTIONS for number in pattern.findall(text)}
    return References(codes, sections, set(VERSION.findall(text)))


def prose_of(path: Path) -> str:
    """Of a module its comments and strings only: `(2.5, 5.0)` in code is a pair of numbers."""
    if path.suffix != ".py":
        return path.read_text("utf-8")
    with path.open("rb") as lines:
        kept = [each.string for each in tokenize.tokenize(lines.readline) if each.type not in CODE]
    return "\n".join(kept)


@cache
def cited_by(path: Path) -> References:
    return cited_in(prose_of(path))


@pytest.fixture(scope="module")
def defined() -> References:
    return defined_in(PROTOCOL.read_text("utf-8"))


def test_every_cited_code_and_section_is_defined(defined: References) -> None:
    missing = {str(path.relative_to(ROOT)): cited_by(path).missing_from(defined) for path in FILES}
    assert {name: found for name, found in missing.items() if found} == {}


def test_the_code_does_cite_the_facts() -> None:
    cited = [cited_by(path) for path in FILES if path.is_relative_to(ROOT / "bridge")]
    assert {"D1", "D18", "R1", "R2", "R3", "OBS", "ASM"} <= set().union(*(each.codes for each in cited))
    assert {"2", "4.3", "5.3"} <= set().union(*(each.sections for each in cited))
    assert {"101", "106"} <= set().union(*(each.versions for each in cited))


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("the vendor says so (D1)", []),
        ("the vendor says so (D77)", ["D77"]),
        ("a file notice (D5c)", ["D5c"]),
        ("seen in R1-R3 OBS", []),
        ("seen in R12-R15 OBS", ["R14", "R15"]),
        ("seen in R1 GUE", ["GUE"]),
        ('Row(107, "event attribute", "x", "D1 row 107")', ["D1 row 107"]),
        ("see the protocol facts, section 2", []),
        ("see the protocol facts, section 12", ["section 12"]),
        ("protocol facts 5.9", ["section 5.9"]),
        ("the workflow has none (3.3)", []),
        ("first a warning, then the end (4.11: D6b)", ["section 4.11"]),
        ("half a second (0.5)", []),
        ("every pause (1.0: people, 0.01: a test), RFC 6962, section 21", []),
    ],
)
def test_what_is_not_defined_is_found(text: str, missing: list[str], defined: References) -> None:
    assert cited_in(text).missing_from(defined) == missing


def test_every_code_is_defined_once_and_its_anchor_bears_its_name() -> None:
    anchors = ANCHOR.findall(PROTOCOL.read_text("utf-8"))
    assert [(name, shown) for name, shown in anchors if name != shown] == []
    assert [name for name, times in Counter(name for name, _ in anchors).items() if times > 1] == []


def test_links_inside_the_facts_lead_to_a_heading() -> None:
    text = PROTOCOL.read_text("utf-8")
    headings = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in TITLE.findall(text)}
    assert headings
    assert set(LINK.findall(text)) <= headings
