"""Values of the topics are read with schemas of a registry: fetched once, and what cannot be fetched is named."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bridge import factories
from bridge.commands import settings, verify
from bridge.commands.stored_values import StoredValues
from bridge.commands.verification import Verification
from bridge.config import SchemaRegistrySettings
from bridge.errors import EXIT_ENVIRONMENT, EXIT_RUNTIME, SchemaUnknown, VerificationFailed
from bridge.records.avro import QUARANTINED_INPUT, SESSION_RECORD, Schemas, schema_folder
from bridge.records.findings import READABLE, Finding
from bridge.records.payload_framing import confluent, single_object
from bridge.records.verifier import Verifier
from tests.support.threaded_server import QuietHandler, ThreadedServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

SCHEMAS = Schemas(schema_folder())
PAYLOAD = SCHEMAS.encode(SESSION_RECORD, {"state": "OPENED", "sessionId": "S1", "at": 1})
LATER = SCHEMAS.whole(SESSION_RECORD) | {
    "fields": [*SCHEMAS.whole(SESSION_RECORD)["fields"], {"name": "later", "type": ["null", "string"], "default": None}]
}
UNREACHABLE = "http://127.0.0.1:1"


@dataclass
class RegistryAnswers:
    """What a registry answers by path, with a status; it counts what it was asked."""

    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def has(self, schema_id: int, answer: object, status: int = 200) -> None:
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.answers[f"/schemas/ids/{schema_id}"] = status, raw

    @contextmanager
    def served(self) -> Iterator[str]:
        registry = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
                registry.asked.append(self.path)
                status, raw = registry.answers.get(self.path, (404, b'{"error_code": 40403}'))
                self.answer(status, raw)

        with ThreadedServer(Handler) as server:
            yield server.base_url


class ManualTime:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def with_values(
    url: str | None, use: Callable[[StoredValues], Awaitable[None]], clock: Callable[[], float] | None = None
) -> None:
    async def main() -> None:
        connection = SchemaRegistrySettings(url=url, timeout_seconds=5.0)
        async with StoredValues(connection, clock or ManualTime()) as values:
            await use(values)

    asyncio.run(main())


def test_a_schema_is_fetched_once_and_kept() -> None:
    registry = RegistryAnswers()
    registry.has(7, {"schema": json.dumps(LATER)})
    clock = ManualTime()

    async def use(values: StoredValues) -> None:
        for _ in range(3):
            clock.now += 1000
            record = await values.decode(SESSION_RECORD, confluent(7) + PAYLOAD + b"\2\6new")
            assert (record["sessionId"], "later" in record) == ("S1", False)
        assert registry.asked == ["/schemas/ids/7"]
        with pytest.raises(VerificationFailed):
            await values.decode(SESSION_RECORD, confluent(7) + PAYLOAD)
        # The id may be that of another registry, where it names the right schema; a fingerprint cannot.
        with pytest.raises(SchemaUnknown, match=f"schema 7 is not known: the registry has {SESSION_RECORD}"):
            await values.decode(QUARANTINED_INPUT, confluent(7) + PAYLOAD + b"\2\6new")
        with pytest.raises(VerificationFailed, match="written as"):
            await values.decode(QUARANTINED_INPUT, single_object(SCHEMAS.fingerprint(SESSION_RECORD)) + PAYLOAD)

    with registry.served() as url:
        with_values(url, use, clock)


@pytest.mark.parametrize(
    ("answer", "status", "why"),
    [
        ({"error_code": 40403}, 404, "the registry has no such id"),
        ({"error_code": 401}, 401, "answered 401"),
        ({"schema": "{"}, 200, "is no JSON"),
        ({"schema": '"string"'}, 200, "not one of a record"),
        ({"schema": json.dumps(LATER), "schemaType": "PROTOBUF"}, 200, "no self-contained Avro schema"),
        ({"schema": json.dumps(LATER), "references": [{"name": "x"}]}, 200, "no self-contained Avro schema"),
        ({"other": 1}, 200, "no self-contained Avro schema"),
        (b"[" * (5 << 20), 200, "more than"),
        (b"\xff", 200, "answered 200"),
    ],
)
def test_what_the_registry_cannot_tell_is_named_and_asked_again_after_some_seconds(
    answer: object, status: int, why: str
) -> None:
    registry = RegistryAnswers()
    registry.has(9, answer, status)
    clock = ManualTime()

    async def use(values: StoredValues) -> None:
        for _ in range(2):
            with pytest.raises(SchemaUnknown, match=f"schema 9 is not known: .*{why}"):
                await values.decode(SESSION_RECORD, confluent(9) + PAYLOAD)
        assert len(registry.asked) == 1
        registry.has(9, {"schema": SCHEMAS.text(SESSION_RECORD)})
        clock.now += 11
        assert (await values.decode(SESSION_RECORD, confluent(9) + PAYLOAD))["sessionId"] == "S1"

    with registry.served() as url:
        with_values(url, use, clock)


def test_without_a_registry_or_with_one_that_is_away_the_id_is_named_and_nothing_else_is_hindered() -> None:
    async def use(values: StoredValues) -> None:
        with pytest.raises(SchemaUnknown, match="schema 4 is not known") as raised:
            await values.decode(SESSION_RECORD, confluent(4) + PAYLOAD)
        assert raised.value.next_step
        with pytest.raises(SchemaUnknown, match=f"schema {'ab' * 8} is not known"):
            await values.decode(SESSION_RECORD, single_object(b"\xab" * 8) + PAYLOAD)
        value = single_object(SCHEMAS.fingerprint(SESSION_RECORD)) + PAYLOAD
        assert (await values.decode(SESSION_RECORD, value))["sessionId"] == "S1"

    with_values(None, use)
    with_values(UNREACHABLE, use)


@pytest.mark.parametrize("json_wanted", [False, True])
@pytest.mark.parametrize(("broken", "expected"), [(False, EXIT_ENVIRONMENT), (True, EXIT_RUNTIME)])
def test_verify_says_neither_ok_nor_broken_of_what_it_cannot_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: bool, expected: int, json_wanted: bool
) -> None:
    async def read(*_: object) -> Verification:
        verifier = Verifier(SCHEMAS)
        for offset in (4, 5):
            why = SchemaUnknown("schema 17 is not known")
            verifier.leave_unread("S1", f"events-3@{offset}", why, event=True, partition=3)
        return Verification(verifier, "the topics", [Finding("", READABLE, "damaged")] if broken else [])

    async def without_kafka(_config: object, _command: str, work: Coroutine[Any, Any, Any]) -> Any:
        return await work

    monkeypatch.setattr(verify, "verify_topics", read)
    monkeypatch.setattr(factories, "explained", without_kafka)
    monkeypatch.setattr(settings, "config_of", lambda _: None)
    no_filter = {"keys": None, "chat": None, "since": None, "until": None, "timestamp_ca": None}
    arguments: Any = SimpleNamespace(json=json_wanted, files=[], audit=False, **no_filter)
    assert verify.run(arguments) == expected
    said = capsys.readouterr().out
    assert "2 records, the first at events-3@4, cannot be read: schema 17 is not known" in said
    if json_wanted:
        told = json.loads(said)
        assert (told["unread"], told["broken"], told["records"]) == (2, int(broken), 2)
        return
    assert ("BROKEN" in said) == broken
    assert said.splitlines()[-1].startswith("1 chats, 2 records, ")
    assert said.splitlines()[-1].endswith("2 records cannot be read, their chats are not verified")
