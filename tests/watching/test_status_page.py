"""The status page in Chromium: of a worker that captures from a simulated Chat Server, and of invented ones."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bridge import __version__
from bridge.capture.readiness_codes import JOINS_PAUSED
from bridge.errors import Problem
from bridge.overview.chat_list import SORT_KEYS
from bridge.overview.shard_owners import GroupView
from bridge.sandbox import kafka_or_local
from tests.integration.e2e_environment import E2EEnvironment, all_joined
from tests.support.invented_status import InventedReports, invented_chats
from tests.support.processes import wait_for
from tests.watching.chromium import ENTER, SHIFT, TAB
from tests.watching.page_inspection import FOCUS, HIDDEN, PENDING, complaints, identity_shown, inspected, shown
from tests.watching.served_page import ServedPage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.processes import Bridge, Simulator
    from tests.watching.chromium import Chromium

pytestmark = pytest.mark.watching

TOKEN = "the-token-of-a-reader"
CHATS = 120
DASH = "\u2013"
WIDTHS = ((1280, 800), (390, 844))
LOOKS = [(*size, dark) for size in WIDTHS for dark in (False, True)]


@dataclass
class Capturing:
    """Two workers of one group, and the Chat Server whose chats they share. The first one wants a token."""

    first: Bridge
    second: Bridge
    server: Simulator
    group: str


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with kafka_or_local() as bootstrap_servers:
        yield bootstrap_servers


@pytest.fixture(scope="module")
def capturing(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Capturing]:
    environment = E2EEnvironment(broker, tmp_path_factory.mktemp("capturing")).prepare()
    server = environment.chats(concurrent_chats=CHATS, passwords=True)
    with (
        environment.bridge("worker-1", http__read_token=TOKEN, site="north") as first,
        environment.bridge("worker-2") as second,
        server,
    ):
        first.wait_ready()
        second.wait_ready()
        wait_for(
            lambda: joined(first) + joined(second) >= CHATS, 60, lambda: f"{joined(first)}, {joined(second)} chats"
        )
        yield Capturing(first, second, server, f"{environment.prefix}bridge")
        environment.finish(server)


def status(bridge: Bridge, query: str = "") -> dict[str, Any]:
    request = urllib.request.Request(f"{bridge.url}/v1/status{query}", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return dict(json.loads(answer.read()))


def joined(bridge: Bridge) -> int:
    return int(status(bridge)["figures"]["joined"])


def logged_in(browser: Chromium, bridge: Bridge, width: int = 1280, height: int = 800, *, dark: bool = False) -> None:
    browser.look(width, height, dark=dark)
    browser.open(bridge.url)
    browser.wait("!document.getElementById('login').hidden")
    browser.type("#token", TOKEN + ENTER)
    browser.wait("!document.getElementById('report').hidden")


# --- a real worker ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height", "dark"), LOOKS)
def test_a_worker_is_shown_within_the_screen_and_without_barriers(
    browser: Chromium, capturing: Capturing, width: int, height: int, dark: bool
) -> None:
    logged_in(browser, capturing.first, width, height, dark=dark)
    browser.wait("document.querySelectorAll('#chats code').length > 20")
    assert browser.text("#state").startswith("Ready, with warnings: captures ")
    assert browser.texts("#reasons .code") == ["ONE_REPLICA"]  # the broker of the tests is one
    assert "worker-1" in browser.text("#identity")
    inspected(browser, width)
    back = browser.script("return getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in back.removeprefix("rgb(").rstrip(")").split(", "))
    assert (brightness < 200) == dark
    assert complaints(browser) == []


def test_a_worker_says_which_one_it_is(browser: Chromium, capturing: Capturing) -> None:
    logged_in(browser, capturing.first)
    facts = identity_shown(browser)
    assert re.fullmatch(r"\d+ s|\d+ min \d\d s", facts.pop("up for"))
    assert facts == {
        "worker": "worker-1",
        "version": __version__,
        "host": socket.gethostname(),
        "group": capturing.group,
        "site": "north",
        "ClientVersion": "106 (asks for 106)",
    }


def test_it_asks_for_a_token_says_that_one_is_wrong_and_does_not_send_it_again(
    browser: Chromium, capturing: Capturing
) -> None:
    browser.look(390, 844)
    browser.open(capturing.first.url)
    browser.wait("!document.getElementById('login').hidden")
    assert browser.text("#login-text").startswith("This worker asks for a token")
    assert browser.text("#state") == "Ready; without a token it is not known what it captures"
    inspected(browser, 390)
    refused = capturing.first
    browser.type("#token", "not-the-right-token" + ENTER)
    browser.wait("document.getElementById('login-text').innerText === 'This token is wrong.'")
    assert browser.script(FOCUS) == "token"
    assert browser.script("return document.getElementById('token').value") == ""
    inspected(browser, 390)
    browser.script("window.asked = performance.getEntriesByType('resource').length")
    browser.wait("performance.getEntriesByType('resource').filter((e) => e.name.endsWith('/readyz')).length >= 4")
    later = browser.script("return performance.getEntriesByType('resource').slice(window.asked).map((e) => e.name)")
    assert set(later) == {f"{refused.url}/readyz"}
    browser.type("#token", TOKEN + ENTER)
    browser.wait("!document.getElementById('report').hidden")
    assert not browser.script(
        "return document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"
    ).strip("{}")
    assert complaints(browser) == []


def test_the_shards_of_the_whole_group_have_their_owners(browser: Chromium, capturing: Capturing) -> None:
    wait_for(
        lambda: {one["state"] for one in status(capturing.first)["shards"]["rows"]} == {"open", "elsewhere"}, 60, ""
    )
    logged_in(browser, capturing.first)
    browser.wait("document.querySelectorAll('#shards tr').length === 2")
    own, other = browser.texts("#shards tr")
    assert "open" in own
    assert "worker-1" in own
    assert "elsewhere" in other
    assert "worker-2" in other
    assert "3 in all; group stable" in browser.text("#shards-note")
    assert capturing.server.address in browser.text("#servers")


def test_chats_are_searched_sorted_and_paged(browser: Chromium, capturing: Capturing) -> None:
    logged_in(browser, capturing.first)
    browser.click("[data-sort=records]")
    browser.wait("document.querySelector('#sorts [aria-sort=descending]')?.innerText.includes('records')")
    total = status(capturing.first)["chats"]["total"]
    browser.wait(f"document.querySelector('#page').innerText === '1{DASH}25 of {total}'")
    records = [int(text.replace(",", "")) for text in browser.texts("#chats td[data-label=records]")]
    assert len(records) == 25
    assert records == sorted(records, reverse=True)
    assert not browser.script("return document.getElementById('next').disabled")
    browser.click("#next")
    browser.wait(f"document.querySelector('#page').innerText.startsWith('26{DASH}')")
    assert not browser.script("return document.getElementById('previous').disabled")
    browser.click("#previous")
    browser.wait(f"document.querySelector('#page').innerText.startsWith('1{DASH}')")
    wanted = status(capturing.first, "?sort=chat")["chats"]["rows"][7]["sessionId"]
    browser.type("#search", wanted.lower()[-8:])
    browser.wait("document.querySelectorAll('#chats code').length === 1")
    assert browser.texts("#chats code") == [wanted]
    assert browser.text("#chats-note") == f"1 of {total}"
    browser.type("#search", "-none-is-like-that")
    browser.wait("document.querySelector('#chats').innerText === 'no chat is like that'")


def test_the_keyboard_reaches_everything_in_order_and_a_refresh_leaves_the_focus(
    browser: Chromium, capturing: Capturing
) -> None:
    browser.look(1280, 800)
    browser.open(capturing.first.url)
    browser.wait("!document.getElementById('login').hidden")
    browser.press(TAB)
    assert browser.script(FOCUS) == "token"
    browser.press(TAB)
    assert browser.script(FOCUS) == "Show"
    browser.press(SHIFT, TAB)
    for key in TOKEN:
        browser.press(key)
    browser.press(ENTER)
    browser.wait("document.querySelectorAll('#chats code').length === 25")
    browser.script("document.activeElement.blur(); getSelection().collapse(document.querySelector('h1'), 0)")
    reached: list[str] = []
    while not reached or (reached[-1] != "next" and len(reached) < 20):
        browser.press(TAB)
        reached.append(browser.script(FOCUS))
        ring = browser.script("return getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none", reached
    columns = ["chat", "state", "server", "shard", "age", "records", "gaps"]
    assert [one for one in reached if one != "all-problems"] == ["search", "chat-state", *columns, "next"]
    assert set(columns) == set(SORT_KEYS)
    browser.script("document.querySelector('[data-sort=age]').focus()")
    browser.script("window.before = document.getElementById('updated').innerText")
    browser.press(ENTER)
    browser.wait("document.querySelector('#sorts [aria-sort=descending]')?.innerText.includes('age')")
    browser.wait("document.getElementById('updated').innerText !== window.before")
    assert browser.script(FOCUS) == "age"


def test_neither_page_nor_report_has_a_word_of_a_chat_or_a_password(browser: Chromium, capturing: Capturing) -> None:
    logged_in(browser, capturing.first)
    browser.wait("document.querySelectorAll('#chats code').length > 20")
    shown_text = browser.text() + json.dumps(status(capturing.first, "?limit=500"))
    capturing_server = capturing.server.open_chats()
    lines = [
        json.loads(line)
        for line in capturing.server.ledger.read_text("utf-8").splitlines(keepends=True)
        if line.endswith("\n")
    ]
    events = [line["event"] for line in lines if line["kind"] == "event"]
    texts = {text for one in events if len(text := (one.get("messageText") or {}).get("text", "")) > 8}
    names = {one["userNickName"] for one in events if one.get("userNickName")}
    assert len(texts) > 100
    assert len(capturing_server) > 100
    assert [one for one in texts | names if one in shown_text] == []


def test_a_worker_whose_only_chat_server_is_gone_is_shown_as_not_ready_with_the_server(
    browser: Chromium, broker: str, tmp_path: Path
) -> None:
    environment = E2EEnvironment(broker, tmp_path).prepare()
    server = environment.chats()
    with environment.bridge() as bridge:
        with server:
            bridge.wait_ready()
            wait_for(lambda: all_joined(bridge, 10), 60, "no chats")
            shown(browser, bridge.url)
            assert browser.text("#state") == "Ready, with warnings: captures 10 of 10 chats"
        browser.wait("document.getElementById('state').innerText === 'Not ready'")
        assert browser.texts("#reasons .code")[:2] == ["SERVER_UNREACHABLE", "NO_CHAT_JOINED"]
        assert server.address in browser.text("#reasons")
        assert "none of 10 chats is joined" in browser.text("#reasons")
        assert "What to do" in browser.text("#reasons")
        assert "last error" in browser.text("#servers")
        browser.click("#all-problems")
        browser.wait("document.getElementById('problems').innerText.includes('link lost')")
        inspected(browser, 1280)
    browser.wait("document.getElementById('state').innerText === 'The worker does not answer'")


# --- invented workers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height", "dark"), LOOKS)
def test_bad_states_long_names_and_many_rows_stay_within_the_screen(
    browser: Chromium, width: int, height: int, dark: bool
) -> None:
    long = "W" * 64
    chats = invented_chats(10_000)
    for at in range(5):
        values = {name: getattr(chats[at], name) for name in chats[at].__struct_fields__}
        chats[at] = type(chats[at])(**{**values, "session_id": long + str(at), "server": f"{'x' * 250}:65535"})
    reasons = [
        Problem("KAFKA_UNAVAILABLE", "y" * 300),
        Problem("SERVER_UNSTABLE", "chat-a.example:4800 answers and drops"),
    ]
    reports = InventedReports(
        chats=chats,
        reasons=reasons,
        warnings=[Problem("ONE_REPLICA", "events has one replica")],
        group=GroupView(unknown_because="the right Describe on the group is missing (`chatbridge acls` prints it)"),
    )
    with ServedPage(reports) as page:
        shown(browser, page.url, width, height, dark=dark)
        assert browser.text("#state") == "Not ready"
        assert "Describe on the group is missing" in browser.text("#shards-note")
        assert browser.texts("#reasons .code") == ["KAFKA_UNAVAILABLE", "SERVER_UNSTABLE", "ONE_REPLICA"]
        inspected(browser, width)
        browser.type("#search", "wwww")
        browser.wait("document.querySelectorAll('#chats code').length === 5")
        inspected(browser, width)
        assert complaints(browser) == []


def test_a_pause_by_the_administrator_is_shown_with_what_to_do(browser: Chromium) -> None:
    waiting = invented_chats(40, joined=False)
    with ServedPage(InventedReports(chats=waiting, warnings=[Problem(JOINS_PAUSED, "no chat is joined")])) as page:
        shown(browser, page.url)
        assert browser.text("#state") == "Ready, but captures nothing"
        assert browser.texts("#reasons .code") == ["NO_CHAT_JOINED", "JOINS_PAUSED"]
        assert "What to do: Let them go on: PUT /v1/admin/joins with" in browser.text("#reasons")
        inspected(browser, 1280)
        assert complaints(browser) == []


def test_a_token_without_the_right_is_told_from_a_wrong_one(browser: Chromium) -> None:
    page = ServedPage(InventedReports(), TOKEN, announce="the-token-of-an-announcer")
    with page:
        browser.look(1280, 800)
        browser.open(page.url)
        browser.wait("!document.getElementById('login').hidden")
        browser.type("#token", "the-token-of-an-announcer" + ENTER)
        browser.wait("document.getElementById('login-text').innerText.includes('no right to read')")


def test_a_page_that_nobody_sees_asks_nothing_until_somebody_does(browser: Chromium) -> None:
    reports = InventedReports()
    with ServedPage(reports) as page:
        shown(browser, page.url)
        browser.script(PENDING)
        browser.wait("pending.size === 1")  # the next refresh
        browser.script(HIDDEN, True)
        assert browser.script("return pending.size") == 0
        asked = len(reports.asked)
        browser.script(HIDDEN, False)
        browser.wait("pending.size === 1")
        assert len(reports.asked) == asked + 1


@pytest.mark.parametrize(
    ("act", "told"),
    [
        ("document.body.append(new Image(1, 1))", "image-alt"),
        ("document.querySelector('h1').style.color = '#eee'", "color-contrast"),
        ("document.querySelector('h1').style.marginLeft = '1279px'", "outside of the screen: .*<h1"),
    ],
)
def test_an_inspection_finds_a_barrier_and_what_is_outside(browser: Chromium, act: str, told: str) -> None:
    with ServedPage(InventedReports()) as page:
        shown(browser, page.url)
        browser.script(act)
        with pytest.raises(AssertionError, match=told):
            inspected(browser, 1280)
