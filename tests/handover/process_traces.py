"""Traces of workers that were processes of their own: a file for each life, judged shard by shard.

The times are those of the machine's monotonic clock, which all its processes share. A shard is judged by itself: what a
worker asks for other shards changes nothing of it but that a commit may be refused, which the model never asks for.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tests.handover.claim_trace import KILLED, TraceLine, TraceModel, TraceNotAcceptedError
from tests.handover.recorded_workers import last_looks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_IDS: Final = 4
"""Transactional ids of a worker."""


class TraceFile:
    """The trace of one life of a worker, in a file: a line is there as soon as it is appended."""

    def __init__(self, path: Path) -> None:
        """Begin a file."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)

    def append(self, line: TraceLine) -> None:
        """Write a line, with the time."""
        os.write(self._file, json.dumps(line._replace(seconds=time.monotonic())).encode() + b"\n")


@dataclass(slots=True)
class JudgedTraces:
    """`commits`: those of shards that the model accepts. `changes`: how often another worker took a shard."""

    commits: int = 0
    changes: int = 0
    problems: list[str] = field(default_factory=list)


def judge_traces(folder: Path, shards: int) -> JudgedTraces:
    """Follow the traces in a folder through the model; a shard nobody committed to is a problem, too."""
    found = JudgedTraces()
    workers, lines = read_traces(folder)
    for shard in range(shards):
        own = of_shard(lines, shard)
        model = TraceModel(workers=workers, shards=1, ids=_IDS)
        try:
            model.check(own)
        except TraceNotAcceptedError as error:
            found.problems.append(f"shard {shard}: the model of the hand-over cannot have done this:\n{error}")
        else:
            if not model.commits:
                found.problems.append(f"shard {shard}: nothing was committed that the model could judge")
        found.commits += model.commits
        takers = [line.worker for line in own if line.what == "claim" and line.kind == "asked"]
        found.changes += sum(one != other for one, other in pairwise(takers))
    return found


def read_traces(folder: Path) -> tuple[int, list[TraceLine]]:
    """Return how many workers there were, and the lines of all their lives in the order of time."""
    lives = sorted((path.name.partition(".")[0], path) for path in folder.glob("*.trace"))
    numbers = {name: number for number, name in enumerate(sorted({name for name, _ in lives}))}
    lines = [line for name, path in lives for line in _life(path, numbers[name])]
    return len(numbers), sorted(lines, key=lambda line: line.seconds)


def of_shard(lines: Sequence[TraceLine], shard: int) -> list[TraceLine]:
    """Return the lines about one shard, which is called 0 there."""
    kept: list[TraceLine] = []
    for line in lines:
        if line.what == "commit":
            if shard in dict(line.known):
                kept.append(line._replace(known=((0, dict(line.known)[shard]),)))
        elif line.shard in (-1, shard):
            kept.append(line._replace(shard=min(line.shard, 0)))
    return last_looks(kept)


def _life(path: Path, worker: int) -> Iterator[TraceLine]:
    seconds = 0.0
    for text in path.read_text(encoding="utf-8").splitlines():
        kind, _, what, shard, known, outcome, keys, at, renews, seconds = json.loads(text)
        pairs = tuple((one, before) for one, before in known)
        yield TraceLine(kind, worker, what, shard, pairs, outcome, tuple(keys), at, renews, seconds)
    yield TraceLine(KILLED, worker, seconds=seconds)
