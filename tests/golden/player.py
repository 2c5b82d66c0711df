"""Plays the golden input through the bridge: bytes of servers and announcements in, what would be committed out.

This is the only file that knows the names of classes and modules of the bridge: when they are renamed or split, it is
adapted, and neither the stored input nor the stored output changes. It follows the shard and the follower where they
only pass things on: a lost link makes its chats absent, a chat that is closed is left on its link, a failed commit is
followed by a restoration from the checkpoints and the same inputs again.

A step is a JSON object with `step` (its kind), `at_us` (wall clock, us since 1970 UTC) and `monotonic` (seconds); the
methods `_do_...` below say what else each kind has. An output is a JSON object with `step` (the step's number, from
0) and `topic`: a record's topic, or `offset` (the announcement offset of a transaction), or `link` (what a link sent,
a refused join, or why it ended). Bytes are latin-1 text, values of records are hexadecimal.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVarTuple

from bridge.adapters.kafka.partitioner import partition_of
from bridge.announcement import parse
from bridge.capture.inbox import Announced
from bridge.capture.session_store import SessionStore
from bridge.capture.session_store_settings import SessionStoreSettings
from bridge.capture.stored_chats import stored_shard
from bridge.chatserver.connection_settings import ConnectionSettings
from bridge.chatserver.psdk_json import client_wire
from bridge.chatserver.verdicts import verdict_on
from bridge.errors import Problem, UnreadableAnnouncement
from bridge.records.avro import Schemas, schema_folder
from bridge.records.normalise import Recording
from bridge.records.payload_framing import confluent, single_object
from bridge.records.pseudonyms import HashKey
from bridge.records.redactor import Redactor
from bridge.records.rules import Rule
from bridge.records.writer_schemas import WriterSchemas
from bridge.registry_factory import REGISTERED, SCHEMA_BY_TOPIC
from bridge.sources.chat_server.history_turn import HistoryTurn
from bridge.sources.chat_server.link import Link
from bridge.transcript.link_codes import ANNOUNCED_ELSEWHERE
from bridge.transcript.updates import JoinRefused, LinkDown, Verdict
from tests.capture.written_topics import CHECKPOINTS, TOPICS, forwards, output, written_to
from tests.support.reasons import A_REFUSAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import Context

    from bridge.capture.inbox import Input
    from bridge.capture.ports import Outgoing
    from bridge.transcript.updates import Update

    Step = Mapping[str, Any]
    Output = dict[str, Any]

Arguments = TypeVarTuple("Arguments")

PARTITION: Final = 3
PARTITIONS: Final = 8
INBOUND_BYTES: Final = 131_072
"""Longest line that a link reads: short, so that the stored input stays small."""
RETENTION_US: Final = 3_600_000_000
OWNER: Final = 2**63 - 25
"""Of the shard, as large as an owner can be."""

PASSES: Final = ("registry", "single-object")
"""The input is played twice: small records with masks, framed for a registry; then large ones that are hashed."""

_SCHEMAS: Final = Schemas(schema_folder())


def settings_of(name: str) -> SessionStoreSettings:
    """Return the settings of one of PASSES."""
    headers = {kind: single_object(_SCHEMAS.fingerprint(SCHEMA_BY_TOPIC[kind])) for kind in REGISTERED}
    rules = [Rule("account", "*account*", action="drop"), Rule("card", detector="payment_card", action="hash")]
    limits = dict.fromkeys(SCHEMA_BY_TOPIC, 1_000_000)
    if name == "registry":
        headers = {kind: confluent(number) for number, kind in enumerate(REGISTERED, 11)}
        rules = [Rule("account", attribute="*account*"), Rule("card", detector="payment_card")]
        limits = {"events": 24_000, "sessions": 2_600, "quarantine": 50_000, "checkpoints": 100_000}
    return SessionStoreSettings(
        **written_to(
            output(Recording(_SCHEMAS, Redactor(rules, HashKey(None, b"golden-run-key-1")), "golden"), headers)
        ),
        writers=WriterSchemas(_SCHEMAS),
        partition_of=lambda key: partition_of(key, PARTITIONS),
        limits={TOPICS[kind]: limit for kind, limit in limits.items()},
        closed_retention_us=RETENTION_US,
        owner=OWNER,
    )


def play(name: str, steps: Iterable[Step]) -> list[Output]:
    """Return the output of all steps under the settings of one of PASSES."""

    async def played() -> list[Output]:
        player = Player(name)
        return [output for step in steps for output in player.play(step)]

    with asyncio.Runner(loop_factory=ManualLoop) as runner:
        return runner.run(played())


class ManualLoop(asyncio.SelectorEventLoop):
    """An event loop whose timers fall due by the script's clock, in a `timer` step."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._waiting: list[tuple[float, asyncio.TimerHandle, Callable[..., object], tuple[Any, ...]]] = []

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        when = self.now + delay
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._waiting.append((when, handle, callback, args))
        return handle

    def fire(self) -> None:
        """Run what is due by now, earliest first."""
        due = sorted((one for one in self._waiting if one[0] <= self.now), key=lambda one: one[0])
        self._waiting = [one for one in self._waiting if one[0] > self.now and not one[1].cancelled()]
        for _, handle, callback, args in due:
            if not handle.cancelled():
                callback(*args)


class RecordedTransport(asyncio.Transport):
    """A transport that goes nowhere; keeps what was sent until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self._closed = False
        self._reads = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def is_reading(self) -> bool:
        return self._reads

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True

    def is_closing(self) -> bool:
        return self._closed

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self._closed = True

    def abort(self) -> None:
        self._closed = True


@dataclass(slots=True)
class ScriptClock:
    """Shows what the step says."""

    us: int = 0
    seconds: float = 0.0

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.seconds


class Player:
    """One shard and its links. To be used while a ManualLoop runs."""

    def __init__(self, name: str) -> None:
        self.history_turn = HistoryTurn()
        self._settings = settings_of(name)
        self._store = SessionStore(PARTITION, self._settings)
        self._loop = asyncio.get_running_loop()
        self._clock = ScriptClock()
        self._links: dict[int, Link] = {}
        self._streams: dict[int, RecordedTransport] = {}
        self._chats: dict[str, Link] = {}
        self._inputs: list[Input] = []
        self._checkpoints: dict[bytes, bytes] = {}
        self._out: list[Output] = []
        self._number = -1

    def play(self, step: Step) -> list[Output]:
        """Do one step; return what came out of it."""
        self._number += 1
        self._clock.us, self._clock.seconds = step["at_us"], step["monotonic"]
        assert isinstance(self._loop, ManualLoop)
        self._loop.now = self._clock.seconds
        getattr(self, f"_do_{step['step']}")(step)
        for number, stream in self._streams.items():
            if stream.sent:
                self._put("link", link=number, sent=stream.sent.decode("latin-1"))
                stream.sent = b""
        out, self._out = self._out, []
        return out

    # --- the owner of the links --------------------------------------------------------------------------------------

    def update_received(self, link: Link, update: Update, _size: int) -> None:
        if isinstance(update, JoinRefused):
            self._chats.pop(update.session_id, None)
            self._put(
                "link",
                link=self._number_of(link),
                refused=update.session_id,
                error=update.error_id,
                code=update.reason.code,
                detail=update.reason.detail,
                verdict="retry" if update.verdict is Verdict.RETRY else "give up",
            )
        else:
            self._inputs.append(update)

    def registered(self, link: Link) -> None:
        self._put("link", link=self._number_of(link), registered=True)

    def ended(self, link: Link, reason: Problem, *, refused: bool) -> None:
        self._put("link", link=self._number_of(link), ended=str(reason), never_registered=refused)
        for session_id in [session_id for session_id, its_link in self._chats.items() if its_link is link]:
            del self._chats[session_id]
            self._inputs.append(LinkDown(session_id, reason, self._clock.us))

    def closed(self, _link: Link) -> None:
        pass

    def defect_found(self, _link: Link, error: Exception) -> None:
        raise error

    # --- steps -------------------------------------------------------------------------------------------------------

    def _do_connect(self, step: Step) -> None:
        """Open link number `link` to `server`, declaring `client_version`."""
        number = step["link"]
        identity = ConnectionSettings("bridge", "monitor", step["server"], client_version=step["client_version"])
        self._links[number] = Link(identity, client_wire(INBOUND_BYTES), self._clock, self, paused=False)
        self._streams[number] = RecordedTransport()
        self._links[number].connection_made(self._streams[number])

    def _do_bytes(self, step: Step) -> None:
        """The server of `link` says `data`."""
        self._links[step["link"]].data_received(step["data"].encode("latin-1"))

    def _do_lost(self, step: Step) -> None:
        """The connection of `link` is gone; `reset` tells how."""
        self._links[step["link"]].connection_lost(ConnectionResetError() if step["reset"] else None)

    def _do_pause(self, step: Step) -> None:
        """Reading of `link` is paused, as when too much waits to be committed."""
        self._links[step["link"]].pause()

    def _do_resume(self, step: Step) -> None:
        """Reading of `link` goes on."""
        self._links[step["link"]].resume()

    def _do_timer(self, _step: Step) -> None:
        """Time has passed: timers that are due run."""
        assert isinstance(self._loop, ManualLoop)
        self._loop.fire()

    def _do_join(self, step: Step) -> None:
        """`session` is to be joined on `link`, with `password` or null."""
        link = self._links[step["link"]]
        self._chats[step["session"]] = link
        link.join(step["session"], step["password"])

    def _do_leave(self, step: Step) -> None:
        """`session` is left where it is joined, as when it was announced on another server: it is absent."""
        self._inputs.append(
            LinkDown(step["session"], Problem(ANNOUNCED_ELSEWHERE, "announced on another server"), self._clock.us)
        )
        self._chats.pop(step["session"]).leave(step["session"])

    def _do_give_up(self, step: Step) -> None:
        """All attempts to join `session` are spent; the last was refused with `error`."""
        verdict = Verdict.GONE if verdict_on(step["error"]) is Verdict.GONE else Verdict.NEVER
        self._inputs.append(JoinRefused(step["session"], step["error"], A_REFUSAL, verdict, self._clock.us))

    def _do_announce(self, step: Step) -> None:
        """A record with `data` lies at `offset` of the shard's announcements partition."""
        raw, told, problem = step["data"].encode("latin-1"), None, ""
        try:
            told = parse(raw)
        except UnreadableAnnouncement as error:
            problem = error.message
        self._inputs.append(Announced(step["offset"], raw, None, told, problem, self._clock.us))

    def _do_commit(self, step: Step) -> None:
        """One transaction takes what was learnt. When it `fails`, a restored shard folds the same inputs again."""
        inputs, self._inputs = self._inputs, []
        if step["fails"]:
            self._store.fold(inputs, self._clock.us)
            self._do_restore(step)
        plan = self._store.fold(inputs, self._clock.us)
        batch = plan.batch
        for topic in ("events", "sessions", "quarantine"):
            for record in batch.on(TOPICS[topic]):
                self._record(topic, record)
        # One checkpoint per key: their order within a transaction means nothing, and follows a set's in part.
        for record in sorted(batch.on(CHECKPOINTS), key=lambda one: one.key):
            self._record("checkpoints", record)
            if record.value is None:
                self._checkpoints.pop(record.key, None)
            else:
                self._checkpoints[record.key] = record.value
        for partition, record in forwards(batch):
            self._record("forwards", record, partition=partition)
        if batch.announcement_offset is not None:
            self._put("offset", offset=batch.announcement_offset)
        for session_id in plan.forget:
            link = self._chats.pop(session_id, None)
            if link is not None:
                link.leave(session_id)

    def _do_restore(self, _step: Step) -> None:
        """What is remembered of the chats is thrown away and read back from the checkpoints."""
        self._store = SessionStore(PARTITION, self._settings)
        stored = [(key.decode(), value) for key, value in self._checkpoints.items()]
        self._store.restore(stored_shard(stored, self._settings.writers))

    # --- output ------------------------------------------------------------------------------------------------------

    def _record(self, topic: str, record: Outgoing, **more: object) -> None:
        self._put(
            topic,
            key=record.key.decode("latin-1"),
            value=None if record.value is None else record.value.hex(),
            headers=[[name, value.decode("latin-1")] for name, value in record.headers],
            **more,
        )

    def _put(self, topic: str, **what: object) -> None:
        self._out.append({"step": self._number, "topic": topic, **what})

    def _number_of(self, link: Link) -> int:
        return next(number for number, other in self._links.items() if other is link)
