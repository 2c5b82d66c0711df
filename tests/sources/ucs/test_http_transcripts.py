"""A transcript by its id over HTTP, from the simulator's interfaces and from peers that behave worse."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from bridge.backoff import Backoff
from bridge.capture.stored_texts import StoredText
from bridge.config.ucs_http_settings import UcsHttpSettings
from bridge.errors import Problem, UsageError
from bridge.simulator.ucs.http_interfaces import UCS_HTTP_FAULTS, UcsHttpInterfaces
from bridge.simulator.ucs.saved_chats import SavedRow
from bridge.simulator.ucs.ucs_table import UcsTable
from bridge.sources.ucs.denial_limit import MOST_DENIALS
from bridge.sources.ucs.http_codes import (
    UCS_HTTP_CODES,
    UCS_HTTP_DENIED,
    UCS_HTTP_ERROR_INSIDE,
    UCS_HTTP_FAILED,
    UCS_HTTP_NO_TEXT,
    UCS_HTTP_NO_TRANSCRIPT,
    UCS_HTTP_NOT_FOUND,
    UCS_HTTP_NOT_JSON,
    UCS_HTTP_OTHER_ORIGIN,
    UCS_HTTP_TOO_LARGE,
    UCS_HTTP_UNREACHABLE,
)
from bridge.sources.ucs.http_transcripts import Interface, UcsHttp
from bridge.tls import TlsFiles
from tests.support.certificates import Authority
from tests.support.threaded_server import QuietHandler, ThreadedServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TEXT = '<?xml version="1.0" encoding="UTF-8"?><chatTranscript sessionId="S1"><msgText>Grüße</msgText></chatTranscript>'
ROW = SavedRow("S1", 3, 1_930_000_000, 1_930_000_060, 1_930_000_060, TEXT)
BOTH: tuple[Interface, ...] = ("context_services", "ucs_9")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> list[UcsTable]:
    """The main table with a chat that is over, one that runs and one without a text; the archive with an older one."""
    folder = tmp_path_factory.mktemp("ucs")
    main, archive = (UcsTable(f"sqlite:///{folder}/{name}.db") for name in ("main", "archive"))
    for table in (main, archive):
        table.create()
    main.save(ROW)
    main.save(SavedRow("S2", 2, 1_930_000_000, 1_930_000_060, None, TEXT.replace("S1", "S2")))
    main.save(SavedRow("S3", 3, 1_930_000_000, 1_930_000_060))
    archive.save(SavedRow("S4", 3, 1_920_000_000, 1_920_000_060, 1_920_000_060, TEXT.replace("S1", "S4")))
    return [main, archive]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "next", lambda _: 0.0)


@asynccontextmanager
async def serving(tables: list[UcsTable], **options: Any) -> AsyncIterator[tuple[UcsHttpInterfaces, str]]:
    server = UcsHttpInterfaces(tables, **options)
    port = await server.start()
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        await server.stop()


async def asked(url: str, interface: Interface, session_id: str = "S1", **options: Any) -> StoredText | Problem:
    async with UcsHttp(url, interface, **options) as client:
        return await client.transcript(session_id)


def code_of(found: StoredText | Problem) -> str:
    assert isinstance(found, Problem), found
    assert found.code in UCS_HTTP_CODES
    assert "Sign in" not in found.detail
    return found.code


@pytest.mark.parametrize("shape", ["array", "object"])
@pytest.mark.parametrize("interface", BOTH)
def test_both_interfaces_give_the_text_and_whether_the_chat_is_over(
    tables: list[UcsTable], interface: Interface, shape: str
) -> None:
    async def run() -> None:
        async with serving(tables, shape=shape) as (_, url), UcsHttp(f"{url}/", interface) as client:
            over, running = await client.transcript("S1"), await client.transcript("S2")
            assert isinstance(over, StoredText)
            assert isinstance(running, StoredText)
            assert over.text.decode().endswith(TEXT.partition("?>")[2])
            assert (over.session_id, over.final, running.final) == ("S1", True, False)
            assert over.place == f"{url}#S1"
            assert code_of(await client.transcript("S3")) == UCS_HTTP_NO_TEXT
            assert code_of(await client.transcript("S9")) == UCS_HTTP_NOT_FOUND
            assert code_of(await client.transcript("../S1")) == UCS_HTTP_NOT_FOUND

    asyncio.run(run())


def test_ucs_9_is_asked_for_its_archive_where_it_is_wanted(tables: list[UcsTable]) -> None:
    async def run() -> None:
        async with serving(tables) as (_, url):
            assert code_of(await asked(url, "ucs_9", "S4")) == UCS_HTTP_NOT_FOUND
            assert isinstance(await asked(url, "ucs_9", "S4", archive=True), StoredText)
            assert isinstance(await asked(url, "ucs_9", "S1", archive=True), StoredText)
            assert code_of(await asked(url, "ucs_9", "S9", archive=True)) == UCS_HTTP_NOT_FOUND
            assert isinstance(await asked(url, "context_services", "S4"), StoredText)

    asyncio.run(run())


FAULT_CODES = {
    "html-page": UCS_HTTP_NOT_JSON,
    "error-inside": UCS_HTTP_ERROR_INSIDE,
    "half-json": UCS_HTTP_NOT_JSON,
    "401": UCS_HTTP_DENIED,
    "403": UCS_HTTP_DENIED,
    "404": UCS_HTTP_NOT_FOUND,
    "500": UCS_HTTP_FAILED,
    "slow": UCS_HTTP_UNREACHABLE,
    "huge": UCS_HTTP_TOO_LARGE,
    "redirect": UCS_HTTP_OTHER_ORIGIN,
    "other-origin": UCS_HTTP_OTHER_ORIGIN,
    "html-transcript": UCS_HTTP_NO_TRANSCRIPT,
}
REPEATED_FAULTS = ("html-page", "error-inside", "half-json", "500", "html-transcript")


@pytest.mark.parametrize(
    ("fault", "interface"),
    [
        (fault, interface)
        for fault in UCS_HTTP_FAULTS
        for interface in BOTH
        if interface == "context_services" or fault not in {"other-origin", "html-transcript"}  # it names no address
    ],
)
def test_every_fault_has_its_code(tables: list[UcsTable], fault: str, interface: Interface) -> None:
    async def run() -> None:
        async with serving(tables) as (server, url):
            server.answer_instead(fault, 100)
            limits: dict[str, Any] = {
                "timeout_seconds": 0.3 if fault == "slow" else 20.0,
                "largest_text_bytes": 1 << 20,
            }
            assert code_of(await asked(url, interface, **limits)) == FAULT_CODES[fault]
            server.heal()
            assert isinstance(await asked(url, interface), StoredText)

    asyncio.run(run())


@pytest.mark.parametrize("fault", REPEATED_FAULTS)
def test_a_fault_that_passes_is_asked_again(tables: list[UcsTable], fault: str) -> None:
    async def run() -> None:
        async with serving(tables) as (server, url):
            server.answer_instead(fault, 2)
            assert isinstance(await asked(url, "context_services"), StoredText)

    asyncio.run(run())


def _basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"reader:{password}".encode()).decode()


def test_a_wrong_password_is_tried_six_times_and_a_right_one_needs_no_more(tables: list[UcsTable]) -> None:
    password = ["wrong"]

    async def run() -> None:
        async with serving(tables, user="reader", password="right") as (server, url):
            async with UcsHttp(url, "ucs_9", authorization=lambda: _basic(password[0])) as client:
                found = await asyncio.gather(*(client.transcript("S1") for _ in range(3 * MOST_DENIALS)))
                assert {code_of(one) for one in found} == {UCS_HTTP_DENIED}
                assert server.asked == MOST_DENIALS
            async with UcsHttp(url, "ucs_9", authorization=lambda: _basic(password[0])) as client:
                assert code_of(await client.transcript("S1")) == UCS_HTTP_DENIED
                password[0] = "right"
                assert isinstance(await client.transcript("S1"), StoredText)

    asyncio.run(run())


def test_a_password_file_that_cannot_be_read_is_told_and_nothing_is_asked(tables: list[UcsTable]) -> None:
    def unreadable() -> str:
        raise FileNotFoundError("no such file")

    async def run() -> None:
        async with serving(tables) as (server, url):
            assert code_of(await asked(url, "ucs_9", authorization=unreadable)) == UCS_HTTP_DENIED
            assert server.asked == 0

    asyncio.run(run())


class _Elsewhere(QuietHandler):
    """Redirects to what it was told, and notes what it was sent."""

    target = ""
    seen: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:  # noqa: N802 - the name that the library asks for
        self.seen.append(self.headers.get("Authorization"))
        if self.path.startswith("/moved"):
            self.answer(200, b'{"InteractionContent": {"StructuredText": "<chatTranscript/>"}}')
            return
        self.send_response(302)
        self.send_header("Location", self.target)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_redirects_are_followed_within_the_origin_only_and_carry_the_password_nowhere_else() -> None:
    class First(_Elsewhere):
        seen: ClassVar[list[str | None]] = []

    class Second(_Elsewhere):
        seen: ClassVar[list[str | None]] = []

    with ThreadedServer(First) as first, ThreadedServer(Second) as second:

        def found() -> StoredText | Problem:
            return asyncio.run(asked(first.base_url, "ucs_9", authorization=lambda: _basic("x")))

        First.target = f"{second.base_url}/moved"
        assert code_of(found()) == UCS_HTTP_OTHER_ORIGIN
        assert Second.seen == []
        First.target = "/moved"
        assert isinstance(found(), StoredText)
        First.target = f"{first.base_url}/again"
        before = len(First.seen)
        assert isinstance(found(), Problem)
        assert len(First.seen) - before <= 4


def test_nobody_at_the_address_is_unreachable() -> None:
    with ThreadedServer(QuietHandler) as gone:
        url = gone.base_url
    found = asyncio.run(asked(url, "ucs_9"))
    assert code_of(found) == UCS_HTTP_UNREACHABLE
    assert "refuses the connection" in str(found)


def test_a_certificate_of_the_configured_authority_is_accepted_and_no_other(tmp_path: Path) -> None:
    class Ucs(_Elsewhere):
        target = "/moved"

    authority = Authority(tmp_path)
    issued = authority.issue("ucs")
    own = TlsFiles(certificate=str(issued.certificate_file), key=str(issued.key_file)).server_context()
    trusted = TlsFiles(ca=str(authority.file)).client_context()
    with ThreadedServer(Ucs, own) as server:
        assert isinstance(asyncio.run(asked(server.base_url, "ucs_9", tls=trusted)), StoredText)
        refused = asyncio.run(asked(server.base_url, "ucs_9"))
    assert code_of(refused) == UCS_HTTP_UNREACHABLE
    assert "no trusted authority" in str(refused)


def test_the_settings_give_a_client_that_reads_the_password_anew_at_each_request(
    tables: list[UcsTable], tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("wrong\n")

    async def run() -> None:
        async with serving(tables, user="reader", password="right") as (_, url):
            settings = UcsHttpSettings(url=url, interface="ucs_9", username="reader", password_file=str(password))
            client = UcsHttp.from_settings(settings)
            assert client is not None
            async with client:
                assert code_of(await client.transcript("S1")) == UCS_HTTP_DENIED
                password.write_text("right\n")
                assert isinstance(await client.transcript("S1"), StoredText)

    asyncio.run(run())
    assert UcsHttp.from_settings(UcsHttpSettings()) is None
    missing = UcsHttpSettings(url="http://ucs.example.invalid", username="a", password_file=str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"sources\.ucs\.http"):
        UcsHttp.from_settings(missing)


@pytest.mark.parametrize(
    "url",
    [
        "ucs.example.invalid",
        "ftp://h",
        "http://",
        "http://u:p@h",
        "http://h?x=1",
        "http://h#f",
        "http://h:x",
        "http://[",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_at_once_and_not_quoted(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        UcsHttp(url, "ucs_9")
    assert url not in str(refused.value).replace("http://host", "")


def test_the_same_is_asked_three_times_at_most(tables: list[UcsTable]) -> None:
    async def run() -> None:
        async with serving(tables) as (server, url):
            server.answer_instead("500", 100)
            assert code_of(await asked(url, "ucs_9")) == UCS_HTTP_FAILED
            assert server.asked == 3

    asyncio.run(run())
