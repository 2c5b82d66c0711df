"""A running installation that seals one of two outputs: over a restart, for those with the master key and without."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final

import fastavro
import pytest

from bridge.cli import main
from bridge.records.audit_chain import AuditChain
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.render import Renderer
from bridge.records.writer_schemas import WriterSchemas
from bridge.sealing.chat_seal import is_sealed
from bridge.sealing.opened_records import is_sealed_event
from tests.integration.e2e_environment import SCHEMAS, E2EEnvironment, captured
from tests.support.kafka_tools import write
from tests.support.oracle import read_all
from tests.support.processes import wait_for
from tests.support.written_values import unframed

if TYPE_CHECKING:
    from pathlib import Path

ARCHIVE: Final = "archive"
GARBAGE: Final = b"no announcement of Marguerite Duplessis"


@pytest.fixture
def environment(broker: str, tmp_path: Path) -> E2EEnvironment:
    found = E2EEnvironment(broker, tmp_path, kafka__session_timeout_seconds=6)
    outputs = [{"name": "default"}, {"name": ARCHIVE, "topic_prefix": f"{found.prefix}archive.", "sealed": True}]
    (tmp_path / "master").write_text("5a" * 32, "utf-8")
    (tmp_path / "other").write_text("77" * 32, "utf-8")
    found.settings |= {"outputs": json.dumps(outputs), "sealing__master_key_file": tmp_path / "master"}
    return found


def options(environment: E2EEnvironment, master: str = "master") -> list[str]:
    return [
        *("--output", ARCHIVE, "--topic-prefix", environment.prefix, "--bootstrap-servers", environment.broker),
        *("--set", f"outputs={environment.settings['outputs']}"),
        *("--set", f"sealing.master_key_file={environment.folder / master}"),
    ]


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def in_order(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events of any output in one order, without the chain."""
    kept = [{name: value for name, value in one.items() if name != "integrity"} for one in records]
    return sorted(kept, key=lambda one: (one["sessionId"], one["sequence"]))


def test_who_has_the_master_key_reads_what_is_in_clear_elsewhere_and_everybody_can_verify(
    environment: E2EEnvironment, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(environment.prepare().broker, environment.topic("announcements"), {"no chat": GARBAGE})
    with environment.chats(concurrent_chats=3, events_per_second=40, mean_events=10, seed=3) as chats:
        with environment.bridge() as bridge:
            wait_for(lambda: captured(bridge) > 20, 90, "nothing is captured")
            bridge.terminate()
        with environment.bridge() as bridge:
            wait_for(lambda: captured(bridge) > 20, 90, "nothing is captured")
            environment.finish(chats)
    topic = f"{environment.prefix}archive.chat.transcript.events.v1"
    values = [unframed(value) for _, _, value in read_all(environment.broker, topic)]
    sealed = [SCHEMAS.decode(TRANSCRIPT_EVENT, value) for value in values]
    texts = [one["message"]["text"] for one in environment.records("events") if one["message"]]
    long_texts = {text.encode() for text in texts if len(text) > 20}
    assert long_texts
    assert not [text for text in long_texts if any(text in value for value in values)]
    assert all(is_sealed(one["message"]["text"]) for one in sealed if one["message"])

    assert main(["topics", "apply", *options(environment)[2:]]) == 0
    capsys.readouterr()
    render = Renderer(SCHEMAS)
    clear = [render.plain(TRANSCRIPT_EVENT, one) for one in environment.records("events")]
    assert main(["unseal", "--reason", "a test", *options(environment)]) == 0
    assert in_order(printed(capsys)) == in_order(clear)
    chat = clear[0]["sessionId"]
    of_chat = in_order([one for one in clear if one["sessionId"] == chat])

    assert main(["verify", *options(environment)]) == 0
    folder = tmp_path / "exported"
    assert main(["export", str(folder), *options(environment)]) == 0
    assert main(["verify", str(folder)]) == 0
    capsys.readouterr()
    files = [str(path) for path in sorted(folder.iterdir())]
    given = [
        "unseal",
        "--reason",
        "a test",
        "--chat",
        chat,
        "--avro",
        str(tmp_path / "clear.avro"),
        *options(environment),
    ]
    assert main([*given, *files]) == 0
    with (tmp_path / "clear.avro").open("rb") as file:
        found: list[Any] = list(fastavro.reader(file))
    written = {one["id"]: one["message"] for one in found}
    assert written == {one["id"]: one["message"] for one in of_chat}
    assert main(["unseal", "--reason", "a test", "--kind", "quarantine", *options(environment)]) == 0
    assert [b64decode(one["bytes"]) for one in printed(capsys)] == [GARBAGE]
    quarantine = read_all(environment.broker, f"{environment.prefix}archive.chat.transcript.quarantine.v1")
    assert not [value for _, _, value in quarantine if GARBAGE in value]

    audit = AuditChain(WriterSchemas.shipped(), "main")
    told = [
        audit.take(value) for _, _, value in read_all(environment.broker, f"{environment.prefix}chat.capture.audit.v1")
    ]
    assert [(one.verb, one.session_ids, one.reason) for one in told] == [
        ("unseal", (), "a test"),
        ("unseal", (chat,), "a test"),
        ("unseal", (), "a test"),
    ]

    assert main(["unseal", "--reason", "a test", *options(environment, "other")]) == 1
    shown = capsys.readouterr()
    found = [json.loads(line) for line in shown.out.splitlines()]
    assert in_order(found) == in_order([render.plain(TRANSCRIPT_EVENT, one) for one in sealed])
    assert "master key" in shown.err
    assert f"stay as they are, in {sum(map(is_sealed_event, sealed)):,} records" in shown.err

    check_damaged_texts(sealed, environment, capsys, tmp_path / "damaged.avro")


def check_damaged_texts(
    sealed: list[dict[str, Any]], environment: E2EEnvironment, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    """Let `unseal` read records whose texts are damaged, each in another way: they stay, and the others are opened."""
    before = [one for one in sealed if one["message"]][:4]
    damages = {
        "sealed:1:no base64": "not its form",
        "sealed:1:YWJj": "not its form",
        before[0]["message"]["text"]: "another place",
        before[1]["message"]["text"]: "another place",
    }
    records = [{**one, "message": {**one["message"], "text": text}} for one, text in zip(before, damages, strict=True)]
    with file.open("wb") as out:
        fastavro.writer(out, SCHEMAS.whole(TRANSCRIPT_EVENT), records)
    assert main(["unseal", "--reason", "a test", *options(environment), str(file)]) == 1
    shown = capsys.readouterr()
    found = [json.loads(line) for line in shown.out.splitlines()]
    assert [one["message"]["text"] for one in found] == list(damages)
    assert not any(one["party"]["nickname"].startswith("sealed:") for one in found if one["party"])
    *named, count = [line for line in shown.err.splitlines() if "message.text" in line or "texts" in line]
    assert [line.partition(": record ")[2].partition(":")[0] for line in named] == ["1", "2", "3", "4"]
    assert all("message.text: " in line and why in line for line, why in zip(named, damages.values(), strict=True))
    assert not [line for line in named if "sealed:1:" in line]
    assert count.startswith("4 texts could not be opened, and stay as they are, in 4 records")
