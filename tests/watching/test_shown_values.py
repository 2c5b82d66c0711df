"""What the status page shows of each value of a report, in Chromium: of an invented worker, with known numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from bridge.errors import Problem
from bridge.overview.chat_list import GIVEN_UP, JOINED, WAITING
from bridge.overview.worker_report import ChatView, Figures, History
from tests.support.invented_status import NOW, SERVERS, InventedReports
from tests.watching.page_inspection import complaints, identity_shown, shown
from tests.watching.served_page import ServedPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.overview.chat_list import ChatQuery
    from bridge.overview.worker_report import StatusReport
    from tests.watching.chromium import Chromium

pytestmark = pytest.mark.watching

DASH = "\u2013"
QUIET = Figures(
    events_per_second=None,
    commit_p50_seconds=None,
    commit_p99_seconds=None,
    oldest_uncommitted_seconds=0.0,
    joined=0,
    waiting=0,
    given_up=0,
    over=0,
    gaps=0,
    gaps_since_start=0,
    rejoins=0,
    rejoins_since_start=0,
    quarantined=0,
    quarantined_since_start=0,
)
BUSY = Figures(
    events_per_second=1234.4,
    commit_p50_seconds=0.0123,
    commit_p99_seconds=1.25,
    oldest_uncommitted_seconds=7.5,
    joined=4321,
    waiting=65,
    given_up=21,
    over=1098,
    gaps=3,
    gaps_since_start=1003,
    rejoins=8,
    rejoins_since_start=18,
    quarantined=2,
    quarantined_since_start=12,
)
HISTORY = History(
    seconds=900.0,
    step_seconds=5.0,
    events_per_second=[0, 13, None, 26],
    commit_p50_seconds=[99, 99, 99, 99],
    commit_p99_seconds=[None, None, 1, 2],
    oldest_uncommitted_seconds=[4, 3, 2, 1],
    joined=[10, 10, 10, 20],
    waiting=[0, 0, 0, 0],
    gaps=[1, 0, 0, 0],
    rejoins=[0, 1, 0, 0],
    quarantined=[0, 0, 1, 0],
)
"""Four intervals; of the median no line is drawn."""
LINES = {
    "events": "M176 28.0L177 15.0M179 2.0",
    "commit p99": "M178 15.0L179 2.0",
    "oldest uncommitted": "M176 2.0L177 8.5L178 15.0L179 21.5",
    "chats joined": "M176 15.0L177 15.0L178 15.0L179 2.0",
    "chats waiting": "M176 28.0L177 28.0L178 28.0L179 28.0",
    "gaps": "M176 2.0L177 28.0L178 28.0L179 28.0",
    "rejoins": "M176 28.0L177 2.0L178 28.0L179 28.0",
    "quarantined": "M176 28.0L177 28.0L178 2.0L179 28.0",
}
"""Tile -> its line: the newest interval at 179, the highest value at 2, 0 at 28, none where there was no value."""
AREA_OF_EVENTS = "M176 30L176 28.0L177 15.0L177 30ZM179 30L179 2.0L179 30Z"


class KnownReports(InventedReports):
    """Reports with known numbers in the tiles."""

    figures = BUSY

    async def report(self, query: ChatQuery) -> StatusReport:
        return replace(await super().report(query), figures=self.figures, history=HISTORY)


def chat(name: str, state: str, server: str, age_seconds: int | None, *, records: int = 0, gaps: int = 0) -> ChatView:
    started_at = None if age_seconds is None else NOW - 1000 * age_seconds
    return ChatView(
        session_id=name, shard=3, state=state, server=server, started_at=started_at, records=records, gaps=gaps
    )


CHATS = [
    chat("0001Ja01", JOINED, SERVERS[0], 59, records=1234),
    chat("0001Ja02", JOINED, SERVERS[0], 3_599, records=20, gaps=1),
    chat("0001Ja03", JOINED, SERVERS[1], 7_260, records=30, gaps=2),
    chat("0001Ja04", WAITING, SERVERS[1], None),
    chat("0001Ja05", WAITING, SERVERS[1], 187_000),
    chat("0001Ja06", GIVEN_UP, SERVERS[0], 60, records=7, gaps=3),
]


@pytest.fixture(scope="module")
def known() -> Iterator[tuple[KnownReports, ServedPage]]:
    reports = KnownReports(chats=CHATS, reasons=[Problem("KAFKA_SILENT", "Kafka does not answer")])
    with ServedPage(reports) as page:
        yield reports, page


@pytest.fixture
def page(browser: Chromium, known: tuple[KnownReports, ServedPage]) -> Iterator[Chromium]:
    """The page, loaded anew."""
    shown(browser, known[1].url)
    yield browser
    assert complaints(browser) == []


def rows(page: Chromium, body: str) -> list[list[str]]:
    """Return the texts of a table's cells, row by row."""
    script = """
    const rows = document.querySelectorAll(`#${arguments[0]} tr`);
    return [...rows].map((row) => [...row.cells].map((one) => one.innerText));
    """
    return [list(row) for row in page.script(script, body)]


def drawn(page: Chromium, path: str) -> list[str]:
    """Return the path of each tile's sparkline: `line` or `area`."""
    return list(
        page.script("return [...document.querySelectorAll(arguments[0])].map((e) => e.getAttribute('d'))", path)
    )


def tiles(page: Chromium) -> dict[str, tuple[str, str]]:
    """Return what each tile says: label -> value with its unit, and the line below it."""
    parts = (page.texts(f"#tiles .{part}") for part in ("label", "value", "more"))
    return {label: (value, more) for label, value, more in zip(*parts, strict=True)}


def test_each_tile_has_its_value_what_belongs_to_it_and_its_sparkline(page: Chromium) -> None:
    assert page.text("#tiles-title") == "Last 15 minutes"
    assert tiles(page) == {
        "events": ("1,234/s", "over the last minute"),
        "commit p99": ("1.3s", "p50 12 ms"),
        "oldest uncommitted": ("7.5s", "not ready beyond 30 s"),
        "chats joined": ("4,321", "21 given up, 1,098 over"),
        "chats waiting": ("65", "to be joined"),
        "gaps": ("3", "1,003 since the start"),
        "rejoins": ("8", "18 since the start"),
        "quarantined": ("2", "12 since the start"),
    }
    assert dict(zip(tiles(page), drawn(page, "#tiles li > svg > path.line"), strict=True)) == LINES
    assert drawn(page, "#tiles li > svg > path.area")[0] == AREA_OF_EVENTS
    levels = page.script("return [...document.querySelectorAll('#tiles li')].map((e) => e.dataset.level ?? '')")
    assert dict(zip(tiles(page), levels, strict=True)) == dict.fromkeys(LINES, "") | dict.fromkeys(
        ("oldest uncommitted", "gaps", "quarantined"), "warning"
    )


def test_tiles_of_a_worker_that_has_committed_nothing_say_so(
    page: Chromium, known: tuple[KnownReports, ServedPage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known[0], "figures", QUIET)
    shown(page, known[1].url)
    values = {label: value for label, (value, _) in tiles(page).items()}
    assert values == dict.fromkeys(LINES, "0") | {"events": DASH, "commit p99": DASH, "oldest uncommitted": "none"}
    assert tiles(page)["commit p99"][1].strip() == f"p50 {DASH}"


def test_the_worker_is_told_by_seven_facts(page: Chromium) -> None:
    assert identity_shown(page) == {
        "worker": "chatbridge-0",
        "version": "0.2.0",
        "host": "chatbridge-0.example",
        "group": "chatbridge",
        "site": "north",
        "up for": "2 d 3 h",
        "ClientVersion": "105 (asks for 106)",
    }
    assert page.text("#worker") == "chatbridge-0"
    assert page.text("#updated") == "as of 07:06:40"


def test_each_chat_has_its_age_and_its_gaps(page: Chromium) -> None:
    page.click("[data-sort=chat]")
    page.wait("document.querySelector('#chats code').innerText === '0001Ja01'")
    assert rows(page, "chats") == [
        ["0001Ja01", "joined", SERVERS[0], "3", "59 s", "1,234", "0"],
        ["0001Ja02", "joined", SERVERS[0], "3", "59 min 59 s", "20", "1"],
        ["0001Ja03", "joined", SERVERS[1], "3", "2 h 01 min", "30", "2"],
        ["0001Ja04", "waiting", SERVERS[1], "3", DASH, "0", "0"],
        ["0001Ja05", "waiting", SERVERS[1], "3", "2 d 3 h", "0", "0"],
        ["0001Ja06", "given up", SERVERS[0], "3", "1 min 00 s", "7", "3"],
    ]
    labels = page.script(
        "return [...document.querySelectorAll('#chats tr:first-child td')].map((e) => e.dataset.label)"
    )
    assert labels[-4:] == ["shard", "age", "records", "gaps"]


def test_each_problem_has_its_time_its_code_its_cause_and_how_often_it_came(page: Chromium) -> None:
    assert rows(page, "problems") == [
        ["now\nsince 40 s", "KAFKA_SILENT", "Kafka does not answer", "1"],
        ["06:58:10\n8 min 30 s ago", "HISTORY_CUT", "gap recorded", "1"],
        [
            "06:58:00\n8 min 40 s ago",
            "CLOSED",
            f"link lost: {SERVERS[1]}, connection closed by the server",
            "6",
        ],
        ["06:55:00\n11 min 40 s ago", "TOO_LONG", "quarantined", "1"],
    ]
    moments = page.script("return [...document.querySelectorAll('#problems time')].map((e) => e.dateTime)")
    assert moments == ["2026-08-06T06:58:10.000Z", "2026-08-06T06:58:00.000Z", "2026-08-06T06:55:00.000Z"]


def test_each_server_has_its_links_its_joined_and_its_waiting_chats(page: Chromium) -> None:
    below = ["ClientVersion 105", "last error 8 min 40 s ago: CLOSED, closed by the server"]
    assert rows(page, "servers") == [
        ["\n".join([SERVERS[1], *below]), "3", "1", "2"],
        ["\n".join([SERVERS[0], below[0]]), "3", "2", "0"],
    ]
