"""Databases that refuse, hang, or lack something: what is told, when it is tried again, and that it ends in time."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url, text

from bridge.config import UcsSettings
from bridge.secrets_watch import SecretsWatch
from bridge.sources.ucs.database import ReadingLimits
from bridge.sources.ucs.database_access import denied_seconds
from bridge.sources.ucs.feeder_codes import (
    UCS_DENIED,
    UCS_POSITION_UNREADABLE,
    UCS_TABLE_UNKNOWN,
    UCS_TIMEOUT,
    UCS_UNREACHABLE,
    failure_code,
)
from bridge.sources.ucs.feeder_facts import StoredChatMissing, UcsReadAgain, UcsReadFailed
from bridge.sources.ucs.interactions import InteractionNames
from bridge.ucs_feeders import UcsFeeders
from tests.sources.ucs.followed_tables import MINUTE, FollowedTables
from tests.sources.ucs.interaction_table import InteractionTable

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "postgresql+psycopg://reader:geheim@127.0.0.1:1/ucs"


def as_account(url: str, account: str) -> str:
    return make_url(url).set(username=account).render_as_string(hide_password=False)


def run(followed: FollowedTables, steps: object) -> None:
    async def main() -> None:
        followed.feeder.start(followed.positions)
        try:
            await steps()  # type: ignore[operator]
        finally:
            await followed.feeder.close()
        assert followed.feeder.problems == []

    asyncio.run(main())
    assert followed.defects == []


def codes(followed: FollowedTables) -> list[str]:
    return [problem.code for problem in followed.feeder.problems]


def test_a_database_that_cannot_be_reached_is_tried_again_and_nothing_is_said_of_the_password(tmp_path: Path) -> None:
    table = InteractionTable(f"sqlite:///{tmp_path}/ucs.db")
    table.add("S1", "one")
    followed = FollowedTables(NOWHERE)

    async def steps() -> None:
        await followed.until(lambda: codes(followed) == [UCS_UNREACHABLE])
        waits = []
        for _ in range(8):
            waits.append(followed.accesses[0].wait())
            followed.clock.move(waits[-1])
            await followed.until(lambda: followed.accesses[0].wait() > 0)
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
        assert followed.accesses[0].failing_seconds == sum(waits)
        assert "geheim" not in str(followed.feeder.problems)
        followed.urls[0] = table.url
        followed.clock.move(60)
        await followed.until(lambda: followed.texts == [("S1", "one", True)])
        assert codes(followed) == []

    run(followed, steps)
    assert [fact.code for fact in followed.told(UcsReadFailed)] == [UCS_UNREACHABLE]
    assert len(followed.told(UcsReadAgain)) == 1


@pytest.mark.parametrize(("query", "pause"), [("?sslmode=disable", 600), ("", 1_200)])
def test_a_refused_account_is_tried_at_most_six_times_an_hour_and_at_once_when_the_url_has_changed(
    postgres: str, query: str, pause: int
) -> None:
    InteractionTable(postgres).add("S1", "one")
    followed = FollowedTables(as_account(postgres, "nobody") + query)
    tries = list[float]()

    async def steps() -> None:
        await followed.until(lambda: codes(followed) == [UCS_DENIED])
        for _ in range(6):
            tries.append(followed.accesses[0].wait())
            followed.clock.move(tries[-1])
            await followed.until(lambda: followed.accesses[0].wait() > 0)
        await followed.kill_and_go_on()  # another shard object, the same process
        followed.feeder.wake()
        await asyncio.sleep(0)
        assert followed.accesses[0].wait() == pause
        followed.urls[0] = postgres
        followed.accesses[0].retry()
        await followed.until(lambda: followed.texts == [("S1", "one", True)])

    run(followed, steps)
    assert tries == [pause] * 6


@pytest.mark.parametrize(
    ("url", "seconds"),
    [
        ("postgresql+psycopg://reader@db.example/ucs", 1_200),
        ("postgresql+psycopg://reader@db.example/ucs?sslmode=prefer", 1_200),
        ("postgresql+psycopg://reader@db.example/ucs?sslmode=allow&application_name=require", 1_200),
        ("postgresql+psycopg://reader@db.example/ucs?application_name=a&sslmode=verify-full", 600),
        ("postgresql+psycopg://reader:[?@db.example/ucs?sslmode=require&connect_timeout=3", 600),
        ("oracle+oracledb://reader@db.example/?service_name=ucs", 600),
    ],
)
def test_the_pause_is_twice_as_long_where_one_connection_may_be_two_tries(url: str, seconds: int) -> None:
    assert denied_seconds(url) == seconds


def test_an_account_without_rights_on_the_table_is_denied(postgres: str) -> None:
    table = InteractionTable(postgres)
    with table.engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS blind"))
        connection.execute(text("CREATE ROLE blind LOGIN"))
    followed = FollowedTables(as_account(postgres, "blind"))

    async def steps() -> None:
        await followed.until(lambda: codes(followed) == [UCS_DENIED])

    run(followed, steps)


def test_the_grant_of_the_guide_is_enough_and_writes_are_not_possible(postgres: str) -> None:
    table = InteractionTable(postgres)
    table.add("S1", "one")
    with table.engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS chatbridge_reader"))
        connection.execute(text("CREATE ROLE chatbridge_reader LOGIN"))
        connection.execute(text("GRANT SELECT (id, status, mediatypeid, startdate, structuredtext) ON interaction "
                                "TO chatbridge_reader"))  # fmt: skip
    followed = FollowedTables(as_account(postgres, "chatbridge_reader"))

    async def steps() -> None:
        await followed.until(lambda: followed.texts == [("S1", "one", True)])

    try:
        run(followed, steps)
    finally:
        with table.engine.begin() as connection:
            connection.execute(text("DROP OWNED BY chatbridge_reader"))
            connection.execute(text("DROP ROLE chatbridge_reader"))


@pytest.mark.parametrize("names", [InteractionNames(table="nowhere"), InteractionNames(text="body")])
def test_a_table_or_column_that_is_missing_is_named(url: str, names: InteractionNames) -> None:
    InteractionTable(url)
    followed = FollowedTables(url, names=names)

    async def steps() -> None:
        await followed.until(lambda: codes(followed) == [UCS_TABLE_UNKNOWN])
        [problem] = followed.feeder.problems
        assert "there is no " in problem.detail

    run(followed, steps)


def test_a_statement_that_takes_too_long_is_ended_by_the_database(postgres: str) -> None:
    table = InteractionTable(postgres)
    table.add("S1", "one")
    followed = FollowedTables(postgres, limits=ReadingLimits(statement_timeout=0.2))
    with table.engine.connect() as other:
        other.execute(text("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE"))

        async def steps() -> None:
            await followed.until(lambda: codes(followed) == [UCS_TIMEOUT])
            other.rollback()
            followed.clock.move(MINUTE)
            await followed.until(lambda: followed.texts == [("S1", "one", True)])

        run(followed, steps)


def test_closing_ends_a_statement_in_progress(postgres: str) -> None:
    table = InteractionTable(postgres)
    followed = FollowedTables(postgres)
    of_ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chatbridge' AND wait_event_type = 'Lock'"
    with table.engine.connect() as other, table.engine.connect() as watch:
        other.execute(text("LOCK TABLE interaction IN ACCESS EXCLUSIVE MODE"))

        def waits() -> bool:
            watch.rollback()
            return int(watch.execute(text(of_ours)).scalar_one()) > 0

        async def steps() -> None:
            await followed.until(waits)
            await followed.feeder.close()
            await followed.until(lambda: not waits())

        run(followed, steps)
    assert followed.told(UcsReadFailed) == []


def test_a_driver_that_hangs_for_ever_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.sources.ucs.database_access._CLOSE_SECONDS", 0.01)
    InteractionTable(f"sqlite:///{tmp_path}/ucs.db")
    followed = FollowedTables(f"sqlite:///{tmp_path}/ucs.db")
    begun, for_ever = threading.Event(), threading.Event()

    def hangs(*_: object) -> None:
        begun.set()
        for_ever.wait()

    monkeypatch.setattr("bridge.sources.ucs.database.UcsDatabase.heads", hangs)

    async def steps() -> None:
        await followed.until(begun.is_set)
        await followed.feeder.close()

    run(followed, steps)
    for_ever.set()


def test_whatever_a_driver_raises_is_a_fault_of_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    InteractionTable(f"sqlite:///{tmp_path}/ucs.db")
    followed = FollowedTables(f"sqlite:///{tmp_path}/ucs.db")

    def raises(*_: object) -> None:
        raise OverflowError("a secret text")

    monkeypatch.setattr("bridge.sources.ucs.database.UcsDatabase.heads", raises)

    async def steps() -> None:
        await followed.until(lambda: codes(followed) == [UCS_UNREACHABLE])
        assert followed.feeder.problems[0].detail == "main database of UCS: OverflowError"

    run(followed, steps)


@pytest.mark.parametrize("bad", ["no url", "unknown+driver://x/y", ""])
def test_a_url_that_cannot_be_used_is_told(bad: str) -> None:
    followed = FollowedTables(bad)

    async def steps() -> None:
        await followed.until(lambda: codes(followed) == [UCS_UNREACHABLE])

    run(followed, steps)


def test_a_position_that_this_version_cannot_read_stops_the_reading_only(tmp_path: Path) -> None:
    InteractionTable(f"sqlite:///{tmp_path}/ucs.db").add("S1", "one")
    followed = FollowedTables(f"sqlite:///{tmp_path}/ucs.db")
    followed.positions = {"ucs": b'{"v": 2}'}

    async def steps() -> None:
        await followed.until(lambda: codes(followed) == [UCS_POSITION_UNREADABLE])

    run(followed, steps)
    assert followed.texts == []


def test_the_archive_may_fail_alone(url: str) -> None:
    InteractionTable(url).add("S1", "one")
    followed = FollowedTables(url, NOWHERE)

    async def steps() -> None:
        await followed.until(lambda: codes(followed) == [UCS_UNREACHABLE])
        assert followed.texts == [("S1", "one", True)]
        assert followed.feeder.problems[0].detail.startswith("archive database of UCS: ")

    run(followed, steps)


def test_a_text_above_the_limit_costs_only_itself_and_is_told(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", "x" * 201)
    table.add("S2", "two")
    followed = FollowedTables(url, limits=ReadingLimits(most_characters=200))

    async def steps() -> None:
        await followed.round()
        assert followed.texts == [("S2", "two", True)]

    run(followed, steps)
    assert followed.set_aside == followed.missing == [("S1", "UNREADABLE_ROW")]
    [missing] = followed.told(StoredChatMissing)
    assert (missing.code, missing.detail) == ("UNREADABLE_ROW", "201 characters; at most 200 are read")


def test_the_settings_make_a_feeder_whose_url_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    table = InteractionTable(f"sqlite:///{tmp_path}/ucs.db")
    table.add("S1", "one", start="2031-03-04 10:00:00")
    file = tmp_path / "url"
    file.write_text(NOWHERE)
    followed = FollowedTables("")
    secrets = SecretsWatch(followed.telemetry)
    settings = UcsSettings(url=NOWHERE, url_file=str(file), since="2031-03-04T09:00:00Z", mode="near_live")  # type: ignore[arg-type]
    feeders = UcsFeeders.configured(settings, secrets, clock=followed.clock, telemetry=followed.telemetry)
    assert feeders is not None
    assert UcsFeeders.configured(UcsSettings(), secrets, clock=followed.clock, telemetry=followed.telemetry) is None

    async def main() -> None:
        feeder = feeders.make(lambda read, _: followed.reads.append(read), followed.defects.append)
        feeder.start({})
        await followed.until(lambda: [one.code for one in feeder.problems] == [UCS_UNREACHABLE])
        assert b"chatbridge_ucs_waiting_chats 0.0" in followed.telemetry.render()
        file.write_text(table.url)
        secrets.check()
        await followed.until(lambda: any(read.texts for read in followed.reads))
        page = followed.telemetry.render().decode()
        assert 'chatbridge_ucs_texts_total{kind="final"} 1.0' in page
        assert "chatbridge_ucs_failing_seconds 0.0" in page
        assert f"chatbridge_ucs_bookmark_age_seconds {30 * MINUTE}.0" in page
        await feeder.close()

    asyncio.run(main())
    assert followed.defects == []
    assert "geheim" not in str(followed.telemetry.facts)


@pytest.mark.parametrize(
    ("sqlstate", "said", "code"),
    [
        ("28P01", "", UCS_DENIED),
        ("42501", "", UCS_DENIED),
        (None, 'FATAL:  password authentication failed for user "x"', UCS_DENIED),
        (None, "ORA-01017: invalid username/password; logon denied", UCS_DENIED),
        (None, "[28000] [Microsoft][ODBC Driver 18] Login failed for user 'x'. (18456)", UCS_DENIED),
        (None, "SQL30082N  Security processing failed", UCS_DENIED),
        ("42P01", "", UCS_TABLE_UNKNOWN),
        (None, "ORA-00942: table or view does not exist", UCS_TABLE_UNKNOWN),
        (None, "Invalid object name 'interaction'", UCS_TABLE_UNKNOWN),
        ("57014", "canceling statement due to statement timeout", UCS_TIMEOUT),
        (None, "ORA-12541: TNS:no listener", UCS_UNREACHABLE),
        ("08006", "", UCS_UNREACHABLE),
        (None, "", UCS_UNREACHABLE),
    ],
)
def test_errors_of_the_products_have_codes(sqlstate: str | None, said: str, code: str) -> None:
    assert failure_code(sqlstate, said) == code


def test_a_refusal_in_another_language_is_known_by_the_password_that_was_asked_for() -> None:
    assert failure_code(None, "Passwort-Authentifizierung fehlgeschlagen", password_used=True) == UCS_DENIED
