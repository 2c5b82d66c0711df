"""Erasing chats on a real broker: what is deleted is in no file of its logs any more, and what was proved stays so."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from bridge.adapters.kafka.audit_log import AuditLog
from bridge.adapters.kafka.topic_reader import reader
from bridge.cli import main
from bridge.commands import erasing_chats, stored_waiting
from bridge.commands.erased_logs import remembered_chats
from bridge.records.audit_chain import (
    ERASED,
    EXPORTED,
    FOUND,
    HELD,
    NOT_YET_GONE,
    REFUSED_HELD,
    REFUSED_OPEN,
    RELEASED,
    REQUESTED,
    UNSEALED,
    AuditChain,
)
from bridge.records.ids import DEFAULT_SITE
from bridge.records.writer_schemas import WriterSchemas
from bridge.sandbox import LocalBroker
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment, all_joined, followed
from tests.support.kafka_tools import alter
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from aiokafka.structs import ConsumerRecord

    from bridge.capture.ports import Outgoing
    from bridge.commands.stored_values import StoredValues
    from bridge.config import Config
    from bridge.records.audit_chain import AuditEntry

QUICK_CLEANER = {"log.cleaner.backoff.ms": "100", "log.initial.task.delay.ms": "100"}
COMPACTED_WITHIN_MS = 500
GONE_SECONDS = 30
VISITOR = "visitor1@example.invalid"
"""What the first customer of the simulator enters as e-mail address."""
NICKNAME = "Visitor 1"
"""The nickname of the first customer; one that is taken later begins so, too."""
SHORTEST_TEXT = 8
"""Bytes of a text that is looked for: shorter ones may be anywhere by chance."""


@pytest.fixture(scope="module")
def cleaning_broker() -> Iterator[LocalBroker]:
    """Give a broker that compacts its logs as soon as they have something to be removed."""
    with LocalBroker(overrides=QUICK_CLEANER) as broker:
        yield broker


_LOG = logging.getLogger(__name__)


class CleanedInstallation:
    """The topics of an installation whose checkpoints are compacted at once, and commands on them."""

    def __init__(
        self, broker: LocalBroker, folder: Path, capsys: pytest.CaptureFixture[str], **settings: object
    ) -> None:
        self.broker = broker
        self.environment = E2EEnvironment(broker.bootstrap_servers, folder, kafka__compression="none", **settings)
        self.flags = ["--bootstrap-servers", broker.bootstrap_servers, "--topic-prefix", self.environment.prefix]
        self.flags += ["--set", "kafka.compression=none"]  # so that a text is found where it is
        for name, value in settings.items():
            self.flags += ["--set", f"{name.replace('__', '.')}={value}"]
        self._capsys = capsys
        assert self.command("topics", "apply", "--set", f"kafka.partitions={PARTITIONS}")[0] == 0
        for kind in ("checkpoints", "keys") if "sealing__master_key_file" in settings else ("checkpoints",):
            alter(self.servers, self.topic(kind), "max.compaction.lag.ms", str(COMPACTED_WITHIN_MS))

    @property
    def servers(self) -> str:
        return self.broker.bootstrap_servers

    def topic(self, kind: str) -> str:
        return self.environment.topic(kind)

    def command(self, *words: str) -> tuple[int, list[Any]]:
        """Run a command here; return its exit code and the lines of its output, decoded where they are JSON."""
        self._capsys.readouterr()
        code = main([*words, *self.flags])
        told = self._capsys.readouterr()
        if code:
            _LOG.warning("%s: exit code %d: %s", words[0], code, told.err)
        lines = told.out.splitlines()
        return code, [json.loads(line) if line.startswith("{") else line for line in lines]

    def verb(self, verb: str, *words: str) -> tuple[int, list[Any]]:
        return self.command(*verb.split(), *words, "--reason", f"a test of {verb}", "--json")

    def records(self, kind: str) -> list[ConsumerRecord]:
        """Return all committed records of a topic, in order within a partition."""

        async def read() -> list[ConsumerRecord]:
            topic = self.topic(kind)
            count = 1 if kind == "audit" else PARTITIONS
            async with reader({"bootstrap_servers": self.servers}) as topics:
                return [one async for records in topics.whole(topic, range(count)) for one in records]

        return asyncio.run(read())

    def checkpoint(self, session_id: str) -> list[bytes]:
        """Return the values of a chat's checkpoint that are committed and not deleted."""
        latest = {record.key: record.value for record in self.records("checkpoints")}
        wanted = session_id.encode()
        return [value for key, value in latest.items() if value and key.split(b"#")[0] == wanted]

    def audit(self) -> list[AuditEntry]:
        """Return what each audit record says; the chain is checked."""
        chain = AuditChain(WriterSchemas.shipped(), DEFAULT_SITE)
        entries = [chain.take(record.value) for record in self.records("audit")]
        assert all(entry.reason == f"a test of {entry.verb}" and "@" in entry.who for entry in entries)
        return entries

    def audited(self) -> list[tuple[str, str]]:
        """Return verb and outcome of each audit record."""
        return [(entry.verb, entry.outcome) for entry in self.audit()]

    def texts(self, session_id: str) -> set[str]:
        """Return the texts of a sealed chat, in clear, that its events have and those of no other chat."""
        code, events = self.command("unseal", "--reason", "a test of unseal")
        assert code == 0
        own, others = set[str](), set[str]()
        for event in events:
            found = own if event["sessionId"] == session_id else others
            fields = (("message", "text"), ("notice", "text"), ("party", "nickname"), ("file", "name"))
            found |= {event[part][field] for part, field in fields if event[part] and event[part][field]}
            for attributes in ("userData", "eventAttributes", "unknownAttributes"):
                found |= set(event[attributes].values())
        return {text for text in own - others if len(text.encode()) >= SHORTEST_TEXT}

    def on_disk(self, values: list[bytes]) -> list[str]:
        """Return the files of the broker's logs that hold one of these values; indexes have offsets and times only."""
        data = self.broker.nodes[0].directory / "data"
        files = [path for path in data.rglob("*") if path.is_file() and "index" not in path.name]
        found = []
        for path in files:
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # deleted meanwhile
                continue
            found += [str(path) for value in values if value in content]
        return found


@pytest.fixture
def installation(
    cleaning_broker: LocalBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> CleanedInstallation:
    return CleanedInstallation(cleaning_broker, tmp_path, capsys)


def test_a_closed_chat_is_gone_from_every_file_of_the_broker_and_what_was_proved_stays_so(
    installation: CleanedInstallation,
) -> None:
    environment = installation.environment
    with environment.bridge() as bridge, environment.chats(concurrent_chats=2, events_per_second=20) as closing:
        wait_for(lambda: all_joined(bridge, 2), 30, "not joined")
        kept, erased = sorted(chat["sessionId"] for chat in followed(bridge))
        wait_for(lambda: installation.checkpoint(kept), 30, "it is not committed that it is open")
        code, [refusal] = installation.verb("erase", kept)
        assert (code, refusal["outcome"]) == (1, REFUSED_OPEN)
        closing.terminate()
        wait_for(lambda: environment.certificates().keys() == {kept, erased}, 30, "not closed", poll=0.5)
        before = installation.checkpoint(erased)
        assert installation.on_disk(before)

        code, [held] = installation.verb("hold", kept)
        assert (code, held["outcome"], held["copied"], held["copiedBefore"]) == (0, HELD, copies(installation, kept), 0)
        code, [held] = installation.verb("hold", kept)
        assert (code, held["copied"], held["copiedBefore"]) == (0, 0, copies(installation, kept))
        code, [refusal] = installation.verb("erase", kept)
        assert (code, refusal["outcome"]) == (1, REFUSED_HELD)

        code, [gone] = installation.verb("erase", erased, "--wait-seconds", str(GONE_SECONDS))
        assert (code, gone["outcome"]) == (0, ERASED)
        assert [one["kind"] for one in gone["remaining"]] == ["events", "announcements"]
        wait_for(lambda: not installation.on_disk(before), GONE_SECONDS, "it is still in the files of the broker")
        assert installation.checkpoint(erased) == []
        assert installation.checkpoint(kept)
        assert installation.command("verify")[0] == 0

        assert installation.verb("release", kept)[0] == 0
        code, [last] = installation.verb("erase", kept, "--wait-seconds", "0")
        assert (code, last["outcome"]) in {(1, NOT_YET_GONE), (0, ERASED)}
        code, [last] = installation.verb("erase", kept, "--wait-seconds", str(GONE_SECONDS))
        assert (code, last["outcome"]) == (0, ERASED)
        left = {one["kind"]: (one["output"], one["records"]) for one in last["remaining"]}
        events = sum(record.key == kept.encode() for record in installation.records("events"))
        assert left == {"events": ("default", events), "held": (None, events), "announcements": (None, 1)}
        assert bridge.terminate() == 0
    first = [("erase", REFUSED_OPEN), ("hold", HELD), ("hold", HELD), ("erase", REFUSED_HELD), ("erase", REQUESTED)]
    audited = installation.audited()
    assert audited[:7] == [*first, ("erase", ERASED), ("release", RELEASED)]
    assert audited[-1] == ("erase", ERASED)


def test_a_chat_that_is_opened_after_it_was_looked_for_is_not_erased(
    installation: CleanedInstallation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shard has joined it when it is asked, and does nothing."""
    environment, look = installation.environment, remembered_chats
    looks: list[dict[str, bool]] = []

    async def not_there_at_first(config: Config, values: StoredValues, chats: Collection[str]) -> dict[str, bool]:
        looks.append(await look(config, values, chats) if looks else {})
        return looks[-1]

    monkeypatch.setattr(erasing_chats, "remembered_chats", not_there_at_first)
    with environment.bridge() as bridge, environment.chats(concurrent_chats=1, events_per_second=20):
        wait_for(lambda: all_joined(bridge, 1), 30, "not joined")
        [chat] = (one["sessionId"] for one in followed(bridge))
        wait_for(lambda: installation.checkpoint(chat), 30, "it is not committed that it is open")
        code, [refusal] = installation.verb("erase", chat)
        assert (code, refusal["outcome"], refusal["remaining"]) == (1, REFUSED_OPEN, [])
        assert looks == [{}, {chat: True}]
        assert installation.checkpoint(chat)
        assert bridge.terminate() == 0
    assert installation.audited() == [("erase", REQUESTED), ("erase", REFUSED_OPEN)]


def copies(installation: CleanedInstallation, session_id: str) -> int:
    """Return how many copies of a chat's records there are: all of its records, none twice."""
    kinds = ("events", "sessions", "quarantine")
    records = [one for kind in kinds for one in installation.records(kind) if one.key == session_id.encode()]
    held = [one for one in installation.records("held") if one.key == session_id.encode()]
    assert sorted(one.value for one in held) == sorted(one.value for one in records)
    return len(held)


def test_a_hold_comes_before_the_request_of_an_erasure_or_knows_of_it(
    installation: CleanedInstallation, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, chat = AuditLog.append, "0000NEVER0000001"
    there: list[tuple[int, ...]] = []

    async def overtaken(log: AuditLog, entries: Sequence[AuditEntry], others: Sequence[Outgoing] = ()) -> object:
        """Look at the audit topic and the requests as soon as there is a record of the erasure."""
        written = await append(log, entries, others)
        there.append(
            await asyncio.to_thread(lambda: tuple(len(installation.records(one)) for one in ("audit", "stored")))
        )
        return written

    monkeypatch.setattr(AuditLog, "append", overtaken)
    monkeypatch.setattr(stored_waiting, "_PATIENCE_SECONDS", 0.5)  # no worker runs
    assert installation.verb("erase", chat)[0] == 3
    assert there == [(1, 1)]
    code, [held] = installation.verb("hold", chat)
    assert (code, held["outcome"], held["late"], held["erasureRequested"]) == (1, HELD, True, True)
    code, [refusal] = installation.verb("erase", chat)
    assert (code, refusal["outcome"]) == (1, REFUSED_HELD)
    assert len(installation.records("stored")) == 1
    assert installation.audited() == [("erase", REQUESTED), ("hold", HELD), ("erase", REFUSED_HELD)]


@pytest.fixture
def empty_broker() -> Iterator[LocalBroker]:
    """Give such a broker that holds nothing else, so that every byte on its disk is the test's."""
    with LocalBroker(overrides=QUICK_CLEANER) as broker:
        yield broker


def test_no_text_of_an_erased_chat_is_in_any_file_of_the_broker_nor_the_key_that_would_open_it(
    empty_broker: LocalBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    master, pseudonyms, exported = tmp_path / "master", tmp_path / "pseudonyms", tmp_path / "exported"
    master.write_text("5a" * 32, "ascii")
    pseudonyms.write_text("only of this test", "ascii")
    installation = CleanedInstallation(
        empty_broker,
        tmp_path,
        capsys,
        outputs=json.dumps([{"name": "default", "sealed": True}]),
        sealing__master_key_file=master,
        privacy__subjects=json.dumps(["EmailAddress"]),
        privacy__hash_key_file=pseudonyms,
    )
    environment = installation.environment
    with environment.bridge() as bridge, environment.chats(concurrent_chats=2, events_per_second=20) as closing:
        wait_for(lambda: all_joined(bridge, 2), 30, "not joined")
        # The checkpoint of a chat holds nicknames in clear.
        wait_for(lambda: installation.on_disk([NICKNAME.encode()]), 30, "nothing of the chat is on the disk", poll=0.5)
        closing.terminate()
        wait_for(lambda: len(environment.certificates()) == 2, 30, "not closed", poll=0.5)
        code, [found] = installation.verb("subject find", VISITOR.upper())
        assert (code, found["state"], found["outputs"]) == (0, "CLOSED", ["default"])
        erased = found["sessionId"]
        assert installation.verb("subject find", "nobody@example.invalid")[0] == 1
        assert installation.verb("subject erase", "nobody@example.invalid")[0] == 1
        searches = [(entry.verb, entry.outcome, entry.session_ids) for entry in installation.audit()]
        nothing = [(verb, FOUND, ()) for verb in ("subject find", "subject erase")]
        assert searches == [("subject find", FOUND, (erased,)), *nothing]

        code, [told] = installation.verb("subject export", VISITOR, "--out", str(exported))
        assert (code, told["sessionId"], told["records"] > 2) == (0, erased, True)
        assert installation.command("verify", str(exported / f"chat-{erased}" / "default"))[0] == 0

        texts = installation.texts(erased)
        assert {VISITOR, NICKNAME} <= texts
        assert len(texts) > len({VISITOR, NICKNAME}), "nobody has said anything"
        key = [one.value for one in installation.records("keys") if one.key == erased.encode()]
        assert installation.on_disk(key)
        code, [gone] = installation.verb("subject erase", VISITOR, "--wait-seconds", str(GONE_SECONDS))
        assert (code, gone["outcome"]) == (0, ERASED)
        assert [one["kind"] for one in gone["remaining"]] == ["announcements"]
        secret = [*key, *(text.encode() for text in texts)]
        wait_for(lambda: not installation.on_disk(secret), GONE_SECONDS, lambda: str(installation.on_disk(secret)))
        assert installation.command("verify")[0] == 0
        assert bridge.terminate() == 0
    outcomes = [REQUESTED, EXPORTED, UNSEALED, REQUESTED, ERASED]
    verbs = ["subject export", "subject export", "unseal", "subject erase", "subject erase"]
    assert installation.audited()[len(searches) :] == list(zip(verbs, outcomes, strict=True))
