"""A worker that follows a UCS database beside the Chat Server whose chats it captures, through a kill.

The simulated Chat Server writes what it stores into the table of interactions. Chats end, and begin and end, while no
worker runs: the next one finds them in the table, and fills what it missed.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from bridge.simulator.harness.ledger import read_ledger
from bridge.simulator.ucs.ucs_table import UcsTable
from tests.integration.e2e_environment import E2EEnvironment, captured, followed, reasons
from tests.integration.test_filled_holes import chatbridge, ended
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Bridge, Simulator

CHATS = 4
SINCE = "2020-01-01"
AUTO_SAVE = {"fill_and_check": 0, "near_live": 1}
"""Mode -> when Chat Server saves: at the end of a chat, or after every message."""


def environment_with(table: str, broker: str, folder: Path, mode: str) -> E2EEnvironment:
    """Make the table, and return an environment whose workers follow it."""
    made = UcsTable(table)
    made.create()
    made.close()
    return E2EEnvironment(
        broker,
        folder,
        kafka__session_timeout_seconds=6,
        sources__ucs__url=table,
        sources__ucs__mode=mode,
        sources__ucs__poll_seconds=1,
        sources__ucs__grace_seconds=1,
        sources__chat_server__reconnect_attempts=3,
    )


def chats_of(environment: E2EEnvironment, table: str, auto_save: int, *, announce: bool = True) -> Simulator:
    """Start a Chat Server that stores its chats, and begins new ones until it is stopped."""
    return environment.simulator(
        concurrent_chats=CHATS,
        events_per_second=20,
        mean_events=15,
        finish=20,
        passwords=True,
        ucs_url=table,
        ucs_auto_save=auto_save,
        announce=announce,
    )


def passed_on(bridge: Bridge, kind: str) -> float:
    return bridge.metric("chatbridge_ucs_texts_total", kind=kind)


def watches(bridge: Bridge) -> bool:
    """Tell whether a worker is in a chat."""
    return any(one["joined"] for one in followed(bridge))


def running_chats(environment: E2EEnvironment) -> set[str]:
    """Return chats of which there are events, and that had no certificate yet when these were read."""
    return {one["sessionId"] for one in environment.records("events")} - environment.certificates().keys()


def nothing_is_lacking(environment: E2EEnvironment, server: Simulator) -> bool:
    """Tell whether each chat of the server has a certificate without gaps."""
    certificates = environment.certificates()
    return certificates.keys() == read_ledger(server.ledger).keys() and all(
        one["gaps"] == [] for one in certificates.values()
    )


def classes_of(environment: E2EEnvironment, table: str) -> dict[str, int]:
    """Return how many chats `reconcile` found in each class: none of them unexplained."""
    code, lines, told = chatbridge(environment, "reconcile", "ucs", "--ucs-url", table, "--since", SINCE)
    classes: dict[str, int] = lines[-1]["summary"]["classes"]
    assert (code, classes["unexplained"]) == (0, 0), (told, lines)
    return classes


def origins_of_events(environment: E2EEnvironment) -> Counter[str]:
    """Return the number of events by origin: none of them is there twice, and none is amended."""
    events = [one for one in environment.records("events") if one["eventId"] is not None]
    twice = Counter((one["sessionId"], one["eventId"]) for one in events)
    assert set(twice.values()) == {1}
    assert not any(one["amendment"] for one in events)
    return Counter(one["origin"] for one in events)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", AUTO_SAVE)
def test_what_was_missed_beside_a_live_chat_server_is_filled_without_any_command(
    broker: str, tmp_path: Path, mode: str
) -> None:
    table = f"sqlite:///{tmp_path}/ucs.db"
    environment = environment_with(table, broker, tmp_path, mode)
    with ExitStack() as running:
        with environment.bridge() as first:
            first.wait_ready()
            server = running.enter_context(chats_of(environment, table, AUTO_SAVE[mode]))
            seen = "running" if mode == "near_live" else "final"
            wait_for(lambda: captured(first) > 30 and passed_on(first, seen), 60, lambda: f"none: {reasons(first)}")
            first.kill()
        before = ended(server.ledger)
        wait_for(lambda: ended(server.ledger) > before + CHATS, 60, "no chat begins and ends while nobody watches")
        with environment.bridge() as second:
            wait_for(lambda: captured(second) > 30 and watches(second), 60, lambda: f"none: {reasons(second)}")
            server.terminate(60)
            wait_for(lambda: nothing_is_lacking(environment, server), 90, "not all is filled", poll=0.5)
            again = ("backfill", "ucs", "--ucs-url", table, "--since", SINCE, "--wait")
            assert chatbridge(environment, *again)[0] == 0  # all texts come once more; those before them are folded now
            classes = classes_of(environment, table)
            assert second.terminate() == 0
    assert classes["filled"] > 0
    assert classes["filled"] + classes["matched"] == len(read_ledger(server.ledger))
    origins = origins_of_events(environment)
    assert origins["LIVE"] > 0
    assert origins["ARCHIVE"] > 0
    code, lines, _ = chatbridge(environment, "verify")
    assert (code, lines[0]["broken"]) == (0, 0), lines[0]["findings"]


def test_chats_that_nobody_announces_are_published_while_they_run(broker: str, tmp_path: Path) -> None:
    table = f"sqlite:///{tmp_path}/ucs.db"
    environment = environment_with(table, broker, tmp_path, "near_live")
    with environment.bridge() as bridge:
        bridge.wait_ready()
        with chats_of(environment, table, 1, announce=False) as server:
            wait_for(lambda: running_chats(environment), 60, lambda: str(reasons(bridge)), poll=0.5)
            server.terminate(60)
            wait_for(lambda: nothing_is_lacking(environment, server), 60, "some chats are not closed", poll=0.5)
        assert classes_of(environment, table)["filled"] == len(read_ledger(server.ledger))
        assert bridge.terminate() == 0
    assert origins_of_events(environment).keys() == {"ARCHIVE"}
