"""`chatbridge demo`: runs Kafka, a simulated Chat Server and the bridge, then compares the topics with the ledger.

All of them are child processes on this machine that end with this process, however it ends.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from bridge import factories
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands.captured_events import CapturedEvents, faults
from bridge.commands.formatting import HEADER, event_line, say, warn, width
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.stored_values import StoredValues
from bridge.commands.verification import Selection
from bridge.commands.verified_topics import verify_topics
from bridge.config import load
from bridge.errors import EXIT_OK, EXIT_RUNTIME, EXIT_SIGNAL_BASE, EnvironmentFault, SchemaUnknown, VerificationFailed
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.sandbox.broker import LocalBroker
from bridge.sandbox.process import GuardedProcess, free_ports, tail
from bridge.simulator.harness.ledger import read_ledger, visible_to_monitor

if TYPE_CHECKING:
    import argparse

    from bridge.config import Config

_LEAST_SECONDS: Final = 20
_START_SECONDS: Final = 60.0
_FINISH_SHARE: Final = 0.35
_SETTLE_SECONDS: Final = 20.0
_END_SECONDS: Final = 40.0
_POLL_SECONDS: Final = 0.1
_LEDGER_SECONDS: Final = 2.0
"""The simulator writes its ledger every half second."""
_INTERRUPTED_SECONDS: Final = 60.0
"""How long it may take to stop and to compare after Ctrl-C; a second one ends it at once."""


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("--seconds", metavar="N", type=int, default=40, help="how long chats run (default 40)")
    parser.add_argument("--chats", metavar="N", type=int, default=6, help="concurrent chats (default 6)")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="keep ledger and logs in this folder")
    parser.epilog = """\
examples:
  chatbridge demo
  chatbridge demo --seconds 120 --chats 30

Ctrl-C stops the bridge and compares what it has captured until then; a second one ends everything at once.
Needs Java 17 or later and, once, Maven to fetch Kafka. Everything listens on 127.0.0.1 only. Exit code 1 when an event
is missing, duplicated or different from the ledger of the simulated Chat Server.
"""


def run(args: argparse.Namespace) -> int:
    """Print the events as they are committed, then compare them with the ledger."""
    with ExitStack() as stack:
        try:
            folder = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chatbridge-demo-")))
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentFault(
                f"no folder for ledger and logs: {error.strerror}", next_step="set TMPDIR, or use --keep FOLDER"
            ) from error
        say("starting Apache Kafka ...")
        broker = stack.enter_context(LocalBroker())
        demo = _Demo(args, folder, broker.bootstrap_servers, stack)
        return run_until_interrupted(demo.run(), demo.interrupt, closing_seconds=_INTERRUPTED_SECONDS)


class _Demo:
    def __init__(self, args: argparse.Namespace, folder: Path, bootstrap_servers: str, stack: ExitStack) -> None:
        self._seconds = max(args.seconds, _LEAST_SECONDS)
        self._chats = args.chats
        self._folder = folder
        self._stack = stack
        self._url = f"http://127.0.0.1:{free_ports(1)[0]}"
        self._flags = {
            "kafka.bootstrap_servers": bootstrap_servers,
            "kafka.partitions": "4",
            "http.port": self._url.rpartition(":")[2],
            "log.format": "text",
        }
        self._config: Config = load(None, {}, self._flags)
        self._captured = CapturedEvents()
        self._task: asyncio.Task[Any] | None = None
        self._has_chats = False
        self._interrupted = False

    async def run(self) -> int:
        say("starting the bridge ...")
        self._task = asyncio.current_task()
        bridge = self._child("bridge", ["run", *(word for pair in self._flags.items() for word in _as_set(*pair))])
        async with aiohttp.ClientSession(self._url) as http:
            await self._until_ready(bridge, http)
            say(f"the bridge is ready, status page at {self._url}; starting chats\n\n{HEADER}")
            simulator = self._child("simulator", self._simulate())
            self._has_chats = True
            show = asyncio.create_task(self._show())
            try:
                await self._until_ended(simulator)
                await self._until_captured(http)
                say("\nstopping the bridge ...")
                bridge.signal(signal.SIGTERM)
                cut = self._interrupted
                code = await self._end_of(bridge, _END_SECONDS)
            finally:
                show.cancel()
                await asyncio.gather(show, return_exceptions=True)
        if cut:
            await self._until_written()
        verdict = await self._count(code, cut=cut)
        return EXIT_SIGNAL_BASE + signal.SIGINT if self._interrupted and verdict == EXIT_OK else verdict

    def interrupt(self) -> None:
        """Let `run` stop the bridge, and compare what it has captured; without chats there is nothing to compare.

        The simulator goes on until the end: the ledger must hold what the bridge was told.
        """
        self._interrupted = True
        if self._has_chats:
            say("\ninterrupted: comparing what was captured; Ctrl-C again ends everything at once")
        elif self._task is not None:
            self._task.cancel()

    # --- child processes ------------------------------------------------------------------------------------------

    def _child(self, name: str, words: list[str]) -> GuardedProcess:
        root = self._folder / f"{name}.run"
        root.mkdir()
        command = [sys.executable, "-m", "bridge", *words]
        child = GuardedProcess(command, root=root, output=self._log(name))
        self._stack.callback(child.release)
        return child

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _simulate(self) -> list[str]:
        finish = int(self._seconds * _FINISH_SHARE)
        return [
            "simulate",
            *("--announce-url", self._url),
            *("--concurrent-chats", str(self._chats)),
            *("--duration", str(self._seconds - finish)),
            *("--finish", str(finish)),
            *("--think-scale", "0.15"),
            *("--ledger", str(self._folder / "ledger.jsonl")),
        ]

    async def _until_ready(self, bridge: GuardedProcess, http: aiohttp.ClientSession) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if not bridge.running:
                break
            try:
                async with http.get("/readyz") as answer:
                    if answer.ok:
                        return
            except aiohttp.ClientError:
                pass  # it does not listen yet
            await asyncio.sleep(_POLL_SECONDS)
        raise EnvironmentFault(f"the bridge did not become ready.\n{tail([self._log('bridge')])}")

    async def _until_ended(self, simulator: GuardedProcess) -> None:
        """Wait for the end of the chats, or for an interruption."""
        deadline = time.monotonic() + self._seconds + _END_SECONDS
        while simulator.running and not self._interrupted:
            if time.monotonic() > deadline:
                raise EnvironmentFault(f"the simulator does not end.\n{tail([self._log('simulator')])}")
            await asyncio.sleep(_POLL_SECONDS)
        if not simulator.running and simulator.wait(0):
            raise EnvironmentFault(f"the simulator failed.\n{tail([self._log('simulator')])}")

    async def _end_of(self, process: GuardedProcess, seconds: float) -> int:
        """Return the exit code of a process that is ending; that of SIGKILL when it does not within `seconds`.

        No thread waits for it: a second Ctrl-C would wait for the thread.
        """
        deadline = time.monotonic() + seconds
        while process.running and time.monotonic() < deadline:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(_POLL_SECONDS)
        if process.running:
            process.kill()
        return process.wait(0)

    async def _until_written(self) -> None:
        """Wait, for a limited time, until the ledger holds what was captured."""
        deadline = time.monotonic() + _LEDGER_SECONDS
        while time.monotonic() < deadline and self._captured.texts.keys() - self._expected().keys():  # noqa: ASYNC110 - a file
            await asyncio.sleep(_POLL_SECONDS)

    async def _until_captured(self, http: aiohttp.ClientSession) -> None:
        """Wait until every event of the ledger is on the topic and all chats have been left; not after an interruption.

        Only for a limited time.
        """
        expected = len(self._expected())
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline and not self._interrupted:
            if len(self._captured.texts) >= expected:
                break
            await asyncio.sleep(_POLL_SECONDS)
        while time.monotonic() < deadline and not self._interrupted:
            async with http.get("/v1/sessions", params={"joined": "true"}) as answer:
                if not (await answer.json())["total"]:
                    return
            await asyncio.sleep(_POLL_SECONDS)

    # --- captured events -------------------------------------------------------------------------------------------

    async def _show(self) -> None:
        columns = width()
        try:
            await self._read(lambda event: say(event_line(event, columns)))
        except EnvironmentFault as error:
            warn(str(error))

    async def _read(self, show: Any) -> None:
        topic = factories.names_of(self._config).events
        partitions = range(self._config.kafka.partitions)
        client = factories.client_of(self._config)
        async with StoredValues(self._config.schema_registry) as stored, reader(client) as events:
            async for records in events.follow(topic, partitions, from_beginning=True):
                for record in records:
                    try:
                        event = await stored.decode(TRANSCRIPT_EVENT, record.value or b"")
                    except (VerificationFailed, SchemaUnknown) as error:
                        warn(f"{topic}-{record.partition}@{record.offset}: {error}")
                        continue
                    self._captured.note(event)
                    show(event)

    def _expected(self) -> dict[tuple[str, int], str]:
        """Return (session id, event id) -> text of every event in the ledger that a silent monitor is sent."""
        ledger = self._folder / "ledger.jsonl"
        if not ledger.exists():  # interrupted before the simulator has made it
            return {}
        return {
            (chat.session_id, event.event_id): event.message_text.text if event.message_text else ""
            for chat in read_ledger(ledger).values()
            for event in chat.events
            if visible_to_monitor(event)
        }

    async def _count(self, exit_code: int, *, cut: bool) -> int:
        captured = self._captured
        done = await verify_topics(self._config, Selection())
        findings = [each for each in done.findings(Selection()) if each.broken]
        numbers = {
            **captured.compared(self._expected(), cut=cut),
            "broken promises": len(findings),
            "unread": done.verifier.unread,
            "exit code of the bridge": exit_code,
        }
        say("\nledger of the simulated Chat Server, compared with a read_committed consumer:")
        for name, number in numbers.items():
            say(f"  {name:24} {number:>7}")
        say(f"  {'verify':24} {'broken' if findings else 'ok':>7}")
        for finding in findings:
            say(f"  {finding}")
        wrong = faults(numbers)
        if cut and not wrong and not captured.texts:
            say("nothing had been captured yet.")
            return EXIT_OK
        if wrong or not captured.texts:
            say(f"FAILED: {', '.join(wrong) or 'nothing was captured'}\n{tail([self._log('bridge')])}")
            return EXIT_RUNTIME
        said = "every event that was captured until then" if cut else "every event"
        say(f"{said} is on Kafka exactly once.   {json.dumps(numbers)}")
        return EXIT_OK


def _as_set(key: str, value: str) -> list[str]:
    return ["--set", f"{key}={value}"]
