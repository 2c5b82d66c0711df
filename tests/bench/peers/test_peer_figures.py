from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.bench.peers.peer_figures import PeerFigures, PeerRow, median_of, percentile, table
from tests.bench.peers.side_by_side import LINE_PEERS
from tests.packaging.published_files import ROOT

if TYPE_CHECKING:
    from tests.bench.peers.line_peer import LinePeer

PAGE = ROOT / "docs" / "performance.md"

ALL_SEEN = PeerFigures(
    sent=2_000,
    seen=2_000,
    repeated=0,
    disordered=0,
    cpu_us=51.4,
    core_percent=20.6,
    per_second=1_000.4,
    p50_ms=11.2,
    p99_ms=83.4,
    peak_mb=69.6,
)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 2), (0.51, 3), (0.75, 3), (0.76, 4), (0.99, 4), (1.0, 4)]
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(share: float, expected: float) -> None:
    assert percentile([4, 1, 3, 2], share) == expected


def test_without_values_there_is_no_percentile() -> None:
    assert math.isnan(percentile([], 0.5))


def test_a_cell_has_every_figure() -> None:
    assert str(ALL_SEEN) == "51 us (21 %), 11 / 83 ms, 70 MB, 1,000/s"


def test_a_cell_shows_lines_that_are_missing_repeated_or_out_of_order() -> None:
    shown = str(replace(ALL_SEEN, seen=1_990, repeated=3, disordered=1))
    assert shown.endswith("1,000/s, 1,990 of 2,000 SEEN, 3 TWICE, 1 OUT OF ORDER")


def test_medians_are_taken_of_each_figure_by_itself() -> None:
    runs = [replace(ALL_SEEN, cpu_us=us, p50_ms=ms) for us, ms in ((10.0, 3.0), (30.0, 1.0), (20.0, 2.0))]
    assert median_of(runs) == replace(ALL_SEEN, cpu_us=20.0, p50_ms=2.0)


def test_a_loss_in_one_run_of_three_is_in_the_median() -> None:
    lost = replace(ALL_SEEN, sent=2_100, seen=2_000, repeated=7, disordered=2)
    found = median_of([ALL_SEEN, lost, ALL_SEEN])
    assert (found.sent, found.seen, found.repeated, found.disordered) == (2_100, 2_000, 7, 2)


def test_the_table_names_every_peer_with_its_configuration_or_why_it_was_not_run() -> None:
    rows = [
        PeerRow("one", "defaults", "no | state", {"50/s": ALL_SEEN}),
        PeerRow("other", "so", "-", {}, "no Java\n in PATH"),
    ]
    assert table(rows, ["50/s"]).splitlines() == [
        "| peer | 50/s | configuration | what it does less than the bridge |",
        "| --- | --- | --- | --- |",
        f"| one | {ALL_SEEN} | defaults | no \\| state |",
        "| other | not run: no Java in PATH | so | - |",
    ]


@pytest.mark.parametrize("peer", LINE_PEERS, ids=lambda peer: str(peer.title))
def test_the_page_says_how_each_peer_is_configured_and_what_it_does_less(peer: type[LinePeer]) -> None:
    assert f"| {peer.title} | {peer.configuration} | {peer.lacks} |" in PAGE.read_text("utf-8")
