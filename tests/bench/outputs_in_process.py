"""What outputs cost without source and Kafka: CPU per event from an update to packed batches, on chats of a simulator.

A transaction is folded and packed as Kafka takes it, with zstd. The variants take turns, each with a store of its own;
one comes twice (A/A), and the others are compared with the mean of those two of the same round.
"""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from msgspec import structs

from bridge.announcement import Announcement, encode, parse
from bridge.capture.inbox import Announced
from bridge.capture.session_store import SessionStore
from bridge.capture.session_store_settings import SessionStoreSettings
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor
from bridge.records.writer_schemas import WriterSchemas
from tests.bench.evidence_costs import packed
from tests.capture.written_topics import output, written_to
from tests.sealing.known_keys import KnownDataKeys
from tests.support.ledger_timeline import read_timelines
from tests.transcript.build import history, push

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bridge.capture.inbox import Input
    from bridge.capture.outputs import Output
    from bridge.records.rules import Rule

ROUNDS: Final = 15
_CHATS: Final = 100
_AT_A_TIME: Final = 5
"""Events of a chat in a transaction, which has as many of each chat."""
_HEADER: Final = bytes(5)
_NOW: Final = 1_700_000_000_000_000


def steps_of(ledger: Path) -> tuple[list[list[Input]], int]:
    """Return the inputs of some chats of a ledger, transaction by transaction, and how many events they have."""
    timelines = list(islice(read_timelines(ledger).values(), _CHATS))
    chats = {one.session_id: [each.event for each in one.visible()] for one in timelines}
    announced: list[Input] = []
    for offset, name in enumerate(chats):
        raw = encode(Announcement(session_id=name, host="chat-1", port=4800))
        announced.append(Announced(offset, raw, name.encode(), parse(raw), observed_at=_NOW))
    steps = [announced]
    for first in range(0, max(map(len, chats.values())), _AT_A_TIME):
        told: list[Input] = []
        for name, events in chats.items():
            some = events[first : first + _AT_A_TIME]
            updates = [push(event) for event in some] if first else [history(*some)]
            told += [replace(one, transcript=structs.replace(one.transcript, session_id=name)) for one in updates]
        steps.append(told)
    return steps, sum(map(len, chats.values()))


class OutputsInProcess:
    """The variants, on the same inputs."""

    def __init__(self, ledger: Path, rules: Sequence[Rule]) -> None:
        """`rules` are those of the masked output."""
        self._writers = WriterSchemas.shipped()
        self._steps, self._events = steps_of(ledger)
        self._original = Recording(self._writers.schemas, Redactor())
        self._masked = Recording(self._writers.schemas, Redactor(rules, typing_previews=False))

    def variants(self) -> dict[str, tuple[Output, ...]]:
        """Return the outputs of each variant; those that are sealed have no key yet."""
        original = output(self._original, _HEADER)
        sealed = output(replace(self._original, keys=KnownDataKeys()), _HEADER)
        second = output(self._original, _HEADER, "second", "second.")
        masked = output(self._masked, _HEADER, "masked", "masked.")
        return {
            "one output": (original,),
            "one output again (A/A)": (original,),
            "and a second one": (original, second),
            "and a masked one": (original, masked),
            "one output, sealed": (sealed,),
        }

    def cost(self, outputs: tuple[Output, ...]) -> float:
        """Return CPU us per event."""
        settings = SessionStoreSettings(
            **written_to(*outputs), writers=self._writers, partition_of=lambda _: 0, owner=2**62 + 12345
        )
        store, now = SessionStore(0, settings), _NOW
        gc.collect()
        before = time.process_time()
        for inputs in self._steps:
            now += 100_000
            packed(store.fold(inputs, now).batch)
        return (time.process_time() - before) / self._events * 1e6


def outputs_in_process(ledger: Path, rules: Sequence[Rule], say: Callable[[str], None]) -> None:
    """Print what outputs cost, on chats of a ledger."""
    bench = OutputsInProcess(ledger, rules)
    found: dict[str, list[float]] = {name: [] for name in bench.variants()}
    for number in range(ROUNDS):
        variants = list(bench.variants().items())
        turn = number % len(variants)
        for name, outputs in (*variants[turn:], *variants[:turn]):
            found[name].append(bench.cost(outputs))
    first, again, *_ = found.values()
    base = [(one + other) / 2 for one, other in zip(first, again, strict=True)]
    say(f"  in process, from updates to packed batches, {ROUNDS} rounds:")
    for name, values in found.items():
        beside = first if values is again else base
        ratios = sorted(own / usual for own, usual in zip(values, beside, strict=True))
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        say(
            f"  {name:<24} {statistics.median(values):6.1f} us per event (min {min(values):.1f}), "
            f"{statistics.median(ratios):.2f} times (middle half {low:.2f} to {high:.2f})"
        )
