"""The worked example of docs/outputs.md on a broker: masked and original, each exactly once, each provable alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from bridge.cli import main
from bridge.records.avro import QUARANTINED_INPUT, TRANSCRIPT_EVENT
from tests.integration.e2e_environment import SCHEMAS, E2EEnvironment, all_joined, captured
from tests.integration.test_large_records import customer_says
from tests.simulator.raw_client import run_test
from tests.support.documented_settings import OUTPUTS_PAGE, documented
from tests.support.oracle import compare_with_ledger, read_all
from tests.support.processes import wait_for
from tests.support.written_values import unframed

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

CARD = "4111 1111 1111 1111"
ADDRESS = r"visitor[0-9]+@example\.invalid"
"""An e-mail address as the simulator's customers write it."""
SAID = f"my card is {CARD}"
CHATS = 8


@pytest.fixture
def environment(broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> E2EEnvironment:
    """Return an environment whose processes and commands have the settings of the page, and a signing key."""
    found = E2EEnvironment(broker, tmp_path)
    text = documented(OUTPUTS_PAGE)["outputs.yaml"]
    replaced = {
        "kafka-1.example:9092": broker,
        "contact-centre.": found.prefix,
        "archive.": f"{found.prefix}archive.",
        "- name: default": "- name: default\n    typing_previews: keep",  # the ledger has them
    }
    for before, after in replaced.items():
        assert before in text
        text = text.replace(before, after)
    file, key = tmp_path / "outputs.yaml", tmp_path / "signing.pem"
    file.write_text(f"{text}evidence:\n  signing_key_file: {key}\n  anchor_seconds: 1\n", "utf-8")
    where = ["--bootstrap-servers", broker, "--topic-prefix", found.prefix]
    assert main(["keys", "new", "--out", str(key), "--list", str(tmp_path / "keys.txt"), *where]) == 0
    monkeypatch.setenv("CHATBRIDGE_CONFIG", str(file))
    return found


def masked(text: str) -> str:
    """Return what the rules leave of a text of these chats."""
    return re.sub(f"{CARD}|{ADDRESS}", lambda found: "*" * len(found[0]), text)


def verified(environment: E2EEnvironment, output: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["verify", "--json", "--output", output, "--keys", str(environment.folder / "keys.txt")]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def records(broker: str, prefix: str, kind: str, schema: str) -> list[dict[str, Any]]:
    read = read_all(broker, f"{prefix}chat.transcript.{kind}.v1")
    return [SCHEMAS.decode(schema, unframed(value)) for _, _, value in read]


@pytest.mark.timeout(180)
def test_the_masked_output_and_the_original_have_every_event_once_and_verify_alone(
    environment: E2EEnvironment, broker: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prefixes = {"default": environment.prefix, "original": f"{environment.prefix}archive."}
    with environment.bridge() as bridge, environment.simulator("customer", no_traffic=True) as quiet:
        bridge.wait_ready()
        with environment.chats(concurrent_chats=CHATS, mean_events=20, chats=2 * CHATS) as server:
            session_id = run_test(customer_says(quiet, lambda: all_joined(bridge, CHATS), SAID))
            server.fault("send-raw", text=f'{{"messageName": "{CARD}"')
            wait_for(lambda: captured(bridge) > 100, 60, "too few events are captured")
            server.terminate()
            quiet.terminate()
            environment.compare_when_closed(server, quiet)
        assert bridge.terminate() == 0
    values: dict[str, dict[str, bytes]] = {}
    ledgers = {one.ledger: one.ledger.read_text("utf-8") for one in (server, quiet)}
    assert ledgers[quiet.ledger].count(CARD) == 1
    for name, prefix in prefixes.items():
        shown = masked if name == "default" else str
        for ledger, text in ledgers.items():
            ledger.write_text(shown(text), "utf-8")
        result = compare_with_ledger(broker, prefix, *ledgers)
        assert result.clean, str(result)
        told = verified(environment, name, capsys)
        assert (told["broken"], told["unread"], told["findings"]) == (0, 0, [])
        assert (told["records"], told["chats"]) == (result.records, result.chats)
        events = records(broker, prefix, "events", TRANSCRIPT_EVENT)
        [own] = [one for one in events if one["sessionId"] == session_id and one["message"]]
        assert own["message"]["text"] == shown(SAID)
        asides = records(broker, prefix, "quarantine", QUARANTINED_INPUT)
        damaged = [one["bytes"] for one in asides if shown(CARD).encode() in one["bytes"]]
        assert damaged, [(one["code"], one["totalBytes"]) for one in asides]
        assert shown is str or not any(CARD.encode() in one["bytes"] for one in asides)
        values[name] = {one["id"]: one["integrity"]["hash"] for one in events}
    assert values["default"].keys() == values["original"].keys()
    assert values["default"] != values["original"]
    assert main(["proof", session_id, "--output", "original", "--keys", str(environment.folder / "keys.txt")]) == 0
