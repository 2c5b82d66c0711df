"""Cards, IBANs and session passwords, planted wherever a peer can write: in no byte of what redacted outputs show.

They are in every text field of events of every kind, in announcements, in damaged input, in damaged stored transcripts
and in a record that is too large. Looked at are the topics of the redacted outputs with keys and headers, the log, the
metrics and the pages.
"""

from __future__ import annotations

import asyncio
import base64
import json
from itertools import count, cycle
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import pytest
from confluent_kafka import Producer

from bridge.adapters.kafka.partitioner import partition_of
from bridge.capture.stored_texts import StoredText, records_of
from bridge.chatserver.messages import FORCE_CLOSE, RequestJoin, RequestReleaseParty
from bridge.cli import main
from bridge.transcript.events import CLIENT
from tests.capture.link_harness import info
from tests.integration.captured_run import read_messages
from tests.integration.e2e_environment import CUSTOMER, PARTITIONS, E2EEnvironment, all_joined, captured, journal_lines
from tests.integration.planted_values import CARDS, IBANS, PASSWORDS, found_in, planted
from tests.records.text_in_every_field import KINDS, event
from tests.simulator.raw_client import TestClient, run_test
from tests.support.kafka_tools import alter
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIMIT: Final = 100_000
"""Bytes of a record that the events topic of one output takes."""
FIRST_ID: Final = 1_000
PUSHED: Final = 20
"""Events of one increment."""
STRANGER: Final = "0000ELSEWHERE001"
STORED, REFUSED = "0000STOREDCHAT01", "0000STOREDCHAT02"
OUTPUTS: Final = ("original", "masked", "dropped")
RULES: Final = [
    {"name": f"{kind}-{action}", "detector": kind, "action": action}
    for action in ("mask", "drop")
    for kind in ("payment_card", "iban")
]
PAGES: Final = ("/", "/metrics", "/v1/sessions?limit=10000", "/v1/status", "/readyz", "/healthz")
HALVES: Final = ("my card: 4556 7375", "8689 9855, please")


def settings(prefix: str) -> dict[str, Any]:
    """Return outputs with no rules, with all that mask, and with all that drop; typing notices keep their texts."""
    return {
        "privacy": {"rules": RULES},
        "outputs": [
            {
                "name": name,
                "topic_prefix": f"{prefix}{name}.",
                "rules": [rule["name"] for rule in RULES if name.startswith(rule["action"])],
                "typing_previews": "keep",
            }
            for name in OUTPUTS
        ],
    }


def events() -> list[dict[str, object]]:
    """Return events with a planted text in every field, each text in two kinds of event, and halves of a card."""
    kinds, ids, notices = (
        cycle(KINDS),
        count(FIRST_ID),
        cycle(("SYS_COMMAND", "USER_CUSTOM", "USER_TYPING", "PUSH_URL")),
    )
    told = [event(next(kinds), next(ids), text, next(notices)) for text in (*planted(), *planted()[::-1])]
    halves = [
        {"eventType": "message", "eventId": next(ids), "userId": "00A9", "messageText": {"text": half}}
        for half in HALVES
    ]
    return [*told, *halves]


def damaged(session_id: str, text: str) -> list[bytes]:
    """Return lines that cannot be read, or are not expected, with a text in them."""
    line = text.replace("\n", " ")
    return [
        json.dumps({"messageName": text}).encode()[:-2],
        f'{{"messageName": "EventError", "description": {json.dumps(text)[:-1]} \udcff"}}'.encode(
            errors="surrogateescape"
        ),
        line.encode("utf-8"),
        json.dumps({"messageName": "EventNobodyKnows", "content": [text]}, ensure_ascii=False).encode(),
        json.dumps(info(STRANGER, {"eventType": "message", "eventId": 1, "messageText": {"text": text}})).encode(),
        json.dumps(info(session_id, {"eventType": "message", "eventId": text, "messageText": text})).encode(),
    ]


def send(server: Simulator, link: int, *lines: bytes) -> None:
    server.fault("send-raw", base64=base64.b64encode(b"\n".join([*lines, b""])).decode(), connection=link)


def joins(environment: E2EEnvironment) -> list[int]:
    """Return the connections that joined the chat: the customer's and the bridge's."""
    return [line["connection"] for line in journal_lines(environment.journal()) if line.get("request") == "RequestJoin"]


def told_to(environment: E2EEnvironment, bridge: Bridge, server: Simulator, session_id: str) -> list[bytes]:
    """Let the chat have all that is planted; return the pages of the bridge after it."""
    told = events()
    wait_for(lambda: len(joins(environment)) == 2, 20, "the journal has not both joins")
    [_, link] = joins(environment)
    for at in range(0, len(told), PUSHED):
        send(server, link, json.dumps(info(session_id, *told[at : at + PUSHED])).encode())
    wait_for(lambda: captured(bridge) >= len(told), 60, "the events are not captured")
    # Two ways for each text, so that each spelling of some value comes in each way.
    ways = [damaged(session_id, text) for text in planted()]
    lines = [each[(at + at // 12 + other) % len(each)] for at, each in enumerate(ways) for other in (0, 3)]
    send(server, link, *lines)
    wait_for(lambda: bridge.metric("chatbridge_quarantined_total") >= len(lines), 60, "not all is set aside")
    host, _, port = server.address.rpartition(":")
    for number, text in enumerate(planted()):
        announcement = {"sessionId": session_id, "host": host, "port": int(port), "userData": {"note": text, text: 1}}
        status, answer = bridge.post("/v1/sessions", announcement | ({"port": text} if number % 2 else {}))
        assert (status, found_in(answer)) == (400 if number % 2 else 202, [])
    producer = Producer({"bootstrap.servers": environment.broker})
    for text in planted():
        producer.produce(environment.topic("announcements"), f"no announcement: {text}".encode(), session_id.encode())
    producer.flush(20)
    alter(environment.broker, f"{environment.prefix}masked.chat.transcript.events.v1", "max.message.bytes", str(LIMIT))
    large = {"text": f"{planted()[3]} {'and more ' * (LIMIT // 9)}"}
    last = {"eventType": "message", "eventId": FIRST_ID + len(told), "messageText": large}
    send(server, link, json.dumps(info(session_id, last)).encode())
    wait_for(lambda: bridge.metric("chatbridge_gaps_total", reason="too_large") >= 1, 30, "nothing was too large")
    return [bridge.get(page)[1] for page in PAGES]


def document(session_id: str, texts: Sequence[str]) -> bytes:
    """Return a stored transcript in which a customer says these texts, each once more between the elements."""
    party = (
        '<newParty userId="00A9" timeShift="1" visibility="ALL" eventId="1"><userInfo userNick="Vera" userType="CLIENT"'
    )
    message = '<message userId="00A9" timeShift="2" visibility="ALL" eventId="{}"><msgText>{}</msgText></message>{}'
    said = [message.format(number, escape(one), escape(one)) for number, one in enumerate(texts, 2)]
    begin = f'<chatTranscript startAt="2031-03-04T10:00:00Z" sessionId="{session_id}">'
    return "\n".join([begin, f"{party}/></newParty>", *said, "</chatTranscript>"]).encode()


def backfilled(environment: E2EEnvironment, bridge: Bridge, capsys: pytest.CaptureFixture[str]) -> bytes:
    """Let stored transcripts be taken that are damaged: one that can be repaired, others not. Return what is said."""
    before = captured(bridge)
    file = environment.folder / f"{STORED}.xml"
    file.write_bytes(document(STORED, planted()).replace(b"</message>", b"", 5)[: -len("anscript>")])
    flags = ("--bootstrap-servers", environment.broker, "--topic-prefix", environment.prefix)
    assert main(["backfill", "--wait", str(file), *flags]) == 0
    assert captured(bridge) > before + len(planted()) // 2
    # As a feeder of UCS writes them, which reads none of them itself.
    refused = [one for text in planted() for one in (text.encode(), document(STRANGER, [text]), escape(text).encode())]
    already = bridge.metric("chatbridge_quarantined_total")
    producer, key = Producer({"bootstrap.servers": environment.broker}), REFUSED.encode()
    for raw in refused:
        for headers, value in records_of(StoredText(REFUSED, "ucs#1", raw, final=False, read_at=1), LIMIT):
            producer.produce(environment.topic("stored"), value, key, partition_of(key, PARTITIONS), headers=[*headers])
    assert producer.flush(20) == 0
    wait_for(
        lambda: bridge.metric("chatbridge_quarantined_total") >= already + len(refused), 60, "not all is set aside"
    )
    told = capsys.readouterr()
    return (told.out + told.err).encode()


async def chat(environment: E2EEnvironment, bridge: Bridge, server: Simulator) -> list[bytes]:
    """Open a chat, let it have all that is planted, and end it; return the pages of the bridge after it."""
    client = await TestClient.monitor(int(server.address.rpartition(":")[2]), user_type=CLIENT, nickname=CUSTOMER)
    answer = await client.ask(RequestJoin(reference_id=1, visibility="ALL"))
    session_id: str = answer.chat_transcript.session_id  # type: ignore[attr-defined]
    await asyncio.to_thread(wait_for, lambda: all_joined(bridge), 30, "the chat is not followed")
    pages = await asyncio.to_thread(told_to, environment, bridge, server, session_id)
    await client.ask(RequestReleaseParty(session_id=session_id, after_action=FORCE_CLOSE, reference_id=99))
    return pages


def written(broker: str, prefix: str, kind: str) -> list[bytes]:
    """Return each record of a topic: key, headers and value."""
    read = [
        (one.key(), *dict(one.headers() or []).values(), one.value())
        for one in read_messages(broker, f"{prefix}chat.transcript.{kind}.v1")
    ]
    return [b"\n".join(part for part in parts if isinstance(part, bytes)) for parts in read]


@pytest.mark.timeout(240)
def test_no_planted_value_is_in_any_byte_of_redacted_outputs_or_of_what_is_said_of_them(
    broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = E2EEnvironment(broker, tmp_path, log__level="debug", kafka__compression="none")
    file = tmp_path / "outputs.yaml"
    file.write_text(json.dumps(settings(environment.prefix)), "utf-8")
    monkeypatch.setenv("CHATBRIDGE_CONFIG", str(file))
    with environment.bridge() as bridge, environment.simulator(no_traffic=True) as server:
        bridge.wait_ready()
        pages = run_test(chat(environment, bridge, server), 150)
        wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") == 1, 30, "the chat is not closed")
        pages.append(backfilled(environment, bridge, capsys))
        pages += [bridge.get(page)[1] for page in PAGES]
        assert bridge.terminate() == 0
    assert all(pages)
    topics = {
        (name, kind): written(broker, f"{environment.prefix}{name}.", kind)
        for name in OUTPUTS
        for kind in ("events", "sessions", "quarantine")
    }
    numbers = {*CARDS, *IBANS}
    of_stored = [one for one in topics["original", "quarantine"] if REFUSED.encode() in one]
    assert {value for record in of_stored for value in found_in(record)} == numbers
    for kind in ("events", "quarantine"):
        assert {value for record in topics["original", kind] for value in found_in(record)} == numbers, kind
        for name in ("masked", "dropped"):
            assert len(topics[name, kind]) >= len(topics["original", kind])
    in_clear = {
        (*where, value)
        for where, records in topics.items()
        for record in records
        for value in found_in(record)
        if where[0] != "original" or value in PASSWORDS
    }
    assert in_clear == set()
    assert found_in(bridge.log.read_bytes()) == []
    assert [found_in(page) for page in pages] == [[]] * len(pages)
    assert HALVES[0].encode() in b"".join(topics["masked", "events"])
    assert HALVES[1][:9].encode() not in b"".join([*topics["masked", "events"], *topics["dropped", "events"]])
