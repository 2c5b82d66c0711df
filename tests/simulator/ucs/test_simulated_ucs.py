"""A simulator that stores its chats: what is in the table is what its ledger says, and its HTTP answers with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from bridge.archive.repaired_xml import read_repaired
from bridge.cli import main
from bridge.errors import EnvironmentFault, UsageError
from bridge.simulator.harness.announcer import NoAnnouncer
from bridge.simulator.harness.control import ControlApi
from bridge.simulator.harness.ledger import read_ledger
from bridge.simulator.main import Simulation, SimulatorOptions, run_simulator
from bridge.simulator.model.effects import SessionOpened
from bridge.simulator.ucs.row_treatment import Irregularities
from bridge.simulator.ucs.simulated_ucs import SimulatedUcs
from bridge.simulator.ucs.stored_options import UcsOptions
from bridge.simulator.ucs.ucs_table import UcsTable, all_texts
from bridge.transcript.events import TYPING_STARTED, TYPING_STOPPED, ChatEvent

if TYPE_CHECKING:
    from pathlib import Path

SOME = Irregularities(0.3, 0.3, 0.3, 0.0, 0.3, 0.3, 0.3)


def is_typing(event: ChatEvent) -> bool:
    return event.notice_text is not None and event.notice_text.notice_type in {TYPING_STARTED, TYPING_STOPPED}


@pytest.mark.parametrize("auto_save", [0, 1])
def test_every_chat_is_stored_with_the_events_of_the_ledger(tmp_path: Path, auto_save: int) -> None:
    urls = [f"sqlite:///{tmp_path}/{name}.db" for name in ("main", "archive")]
    options = SimulatorOptions(
        seed=1,
        chats=12,
        events_per_second=5000,
        finish_seconds=0.2,
        ledger=tmp_path / "ledger.jsonl",
        ucs=UcsOptions(urls[0], urls[1], auto_save, irregularities=SOME),
    )
    asyncio.run(run_simulator(options, stop=asyncio.Event()))
    stored = all_texts([UcsTable(url) for url in urls])
    ledger = read_ledger(tmp_path / "ledger.jsonl")
    assert len(ledger) == 12
    assert stored.keys() == ledger.keys()
    for session_id, (status, text) in stored.items():
        assert status == 3
        assert text is not None
        [document] = read_repaired(text.encode(), session_id, session_id=session_id).documents
        assert [event.event_id for event in document.transcript.chat_event_list] == [
            event.event_id for event in ledger[session_id].events if not is_typing(event)
        ]


def test_it_answers_over_http_and_its_control_interface_injects_faults(tmp_path: Path) -> None:
    async def run() -> None:
        ucs = UcsOptions(f"sqlite:///{tmp_path}/ucs.db", http_port=0)
        simulation = Simulation(SimulatorOptions(seed=1, ucs=ucs), NoAnnouncer(), asyncio.Event())
        assert simulation.ucs is not None
        api = ControlApi(simulation)
        control = f"http://127.0.0.1:{await api.start(0)}"
        try:
            async with simulation.ucs as stored, aiohttp.ClientSession() as client:
                stored.on_effect(SessionOpened("S1", "2031-03-04T10:00:00Z", None, "", []), 1_930_000_000.0)
                interaction = f"http://{stored.http_address}/interactions/S1"

                async def status() -> int:
                    async with client.get(interaction) as answer:
                        return answer.status

                async with asyncio.timeout(20):
                    while await status() != 200:  # noqa: ASYNC110 - a thread writes the row
                        await asyncio.sleep(0.01)
                    async with client.get(interaction) as answer:
                        [found] = await answer.json()
                    assert (found["interaction_id"], found["status"]) == ("S1", 2)
                    assert "structured_text" not in found
                    async with client.post(f"{control}/faults/ucs-http", json={"fault": "500"}) as done:
                        assert done.status == 200
                    assert [await status(), await status()] == [500, 200]
                    async with client.post(f"{control}/faults/ucs-http", json={"fault": "unknown"}) as refused:
                        assert refused.status == 409
        finally:
            await api.stop()
            simulation.close()

    asyncio.run(run())


def test_a_table_that_cannot_be_written_any_more_is_told_at_the_end(tmp_path: Path) -> None:
    async def run() -> None:
        url = f"sqlite:///{tmp_path}/ucs.db"
        async with SimulatedUcs(UcsOptions(url), 1) as stored:
            table = UcsTable(url)
            table.columns.metadata.drop_all(table.engine)
            stored.on_effect(SessionOpened("S1", "2031-03-04T10:00:00Z", None, "", []), 1_930_000_000.0)

    with pytest.raises(EnvironmentFault, match="could not be written"):
        asyncio.run(run())


def test_a_url_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no database URL"):
        SimulatedUcs(UcsOptions("nonsense"), 1)
    with pytest.raises(EnvironmentFault, match="cannot be made"):
        SimulatedUcs(UcsOptions(f"sqlite:///{tmp_path}/no/such/folder/ucs.db"), 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ucs-http", "0"], "go with --ucs-url"),
        (["--ucs-url", "sqlite://", "--ucs-http-user", "a"], "go together"),
        (["--ucs-url", "sqlite://", "--ucs-irregular", "edited"], "expected NAME=SHARE"),
        (["--ucs-url", "sqlite://", "--ucs-irregular", "edited=2"], "expected NAME=SHARE"),
        (["--ucs-url", "sqlite://", "--ucs-irregular", "lost=0.1"], "names: late-text"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments]) == 2
    assert said in capsys.readouterr().err
