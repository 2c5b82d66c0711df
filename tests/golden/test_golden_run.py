"""The bridge writes what it wrote when the golden run was recorded, byte for byte.

Left out of the input on purpose, because they are to change: a line beyond the limit that a lost connection leaves
unfinished, a session password longer than a frame, numbers beyond 64 bits.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.transcript.gap_codes import (
    LISTS_LEFT_OUT,
    NEVER_JOINED,
    NOT_IN_REPLAY,
    OUT_OF_REACH,
    OVER_WHILE_AWAY,
    TOO_LARGE,
    UNREADABLE,
)
from tests.golden import player, stored

KINDS = {"PARTY_JOINED", "MESSAGE", "NOTICE", "PARTY_LEFT", "UNKNOWN", "GAP", "RESUMED"}
STEPS = {
    *("connect", "bytes", "lost", "pause", "resume", "timer", "join", "leave", "give_up", "announce", "commit"),
    "restore",
}
MOST_BYTES = 1_500_000


@pytest.fixture(scope="module", name="facts")
def _facts() -> dict[str, Any]:
    return stored.facts(stored.read(stored.OUTPUT))


@pytest.mark.parametrize("name", player.PASSES)
def test_every_record_is_the_same_byte_for_byte(name: str) -> None:
    start = stored.line_of(name, {})[:-1]
    expected = [line for line in stored.read(stored.OUTPUT) if line.startswith(start)]
    assert expected
    found = [stored.line_of(name, output) for output in player.play(name, stored.steps())]
    difference = stored.first_difference(expected, found)
    if difference is not None:
        pytest.fail(difference, pytrace=False)
    assert found == expected


def test_the_input_has_every_kind_of_step_and_a_restoration_in_the_middle() -> None:
    steps = stored.steps()
    assert {step["step"] for step in steps} == STEPS
    restored = [number for number, step in enumerate(steps) if step["step"] == "restore"]
    assert any(0.3 < number / len(steps) < 0.7 for number in restored)
    assert any(step["step"] == "commit" and step["fails"] for step in steps)


@pytest.mark.parametrize("name", player.PASSES)
def test_the_output_holds_what_it_is_meant_to_prove(facts: dict[str, Any], name: str) -> None:
    found = facts[name]
    assert found["topics"]["events"] >= 2_000
    assert set(found["kinds"]) == KINDS
    assert set(found["client versions"]) >= {"101", "102", "103", "104", "105", "106"}
    assert set(found["redactions"]) == {"account", "card", "secret"}
    assert set(found["topics"]) >= {"events", "sessions", "quarantine", "checkpoints", "forwards", "offset"}
    assert min(found["certificates"][one] for one in ("amendments", "masked", "quarantined", "unattributed")) > 0
    assert min(found["amendments"]["events"], found["files"]["events"], found["tombstones"]["checkpoints"]) > 0
    assert set(found["checkpoint states"]) == {"FOLLOWED", "GIVEN_UP", "OVER", "SHARD"}
    assert found["certificate reasons"].get(LISTS_LEFT_OUT, 0) >= (name == "registry")
    assert set(found["gap codes"]) >= {
        NOT_IN_REPLAY,
        UNREADABLE,
        OVER_WHILE_AWAY,
        OUT_OF_REACH,
        TOO_LARGE,
        NEVER_JOINED,
    }


def test_the_facts_beside_the_output_are_true(facts: dict[str, Any]) -> None:
    assert json.loads(stored.FACTS.read_text("utf-8")) == facts


def test_the_stored_files_stay_small() -> None:
    assert sum(file.stat().st_size for file in (stored.INPUT, stored.OUTPUT, stored.FACTS)) < MOST_BYTES


def test_a_difference_is_shown_decoded() -> None:
    line = next(line for line in stored.read(stored.OUTPUT) if '"topic":"events"' in line)
    output = json.loads(line)
    value = output["value"]
    changed = json.dumps(
        {**output, "value": value[:-2] + ("00" if value[-2:] != "00" else "01")}, separators=(",", ":")
    )
    difference = stored.first_difference([line], [changed])
    assert difference is not None
    assert "value.integrity: " in difference
    assert f"'step': {output['step']}" in difference
    assert stored.first_difference([line], [line]) is None
    assert "found    {}" in str(stored.first_difference([line, line], [line]))
