"""The plan of a chaos run: which fault, when and for how long. It depends only on the seed.

A step is one fault, or two that overlap (of different components), and the pause after recovery. Kinds are drawn
without replacement until all have been used, so that a run of a few minutes has had most of them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

BRIDGE: Final = "bridge"
KAFKA: Final = "kafka"
CHAT: Final = "chat"
WORKERS: Final = 3
CHAT_SERVERS: Final = 2
SHARDS: Final = 12
BROKER_STOP: Final = "broker SIGSTOP"
FEW_BYTES: Final = "few bytes"
NO_PERMISSION: Final = "no permission"
GARBAGE_FAULT: Final = "raw garbage"
_PAIRS: Final = 0.35
_KILLED_MEANWHILE: Final = 0.5
_RETRYABLE_ERRORS: Final = (8209, 8303, 9999)  # logged out, not registered, an unknown one
HALF_A_LINE: Final = '{"messageName":"EventSessionInfo","chatTr'
"""The line after it is lost with it."""
HARMLESS_GARBAGE: Final = (
    '{"messageName":"EventFromTheFuture","referenceId":1,"sessionId":"SOMEWHERE"}\n',
    '{"messageName":"EventSessionInfo","sessionStatus":1,"chatTranscript":{"sessionId":"NOBODYS","chatEventList":[]}}\n',
    "\n\n",
)
"""Messages about no chat that is followed, and empty lines."""
GARBAGE: Final = (
    "this is no JSON\n",
    HARMLESS_GARBAGE[0],
    '{"messageName":"EventSessionInfo","chatTranscript":7}\n',
    HARMLESS_GARBAGE[1],
    HALF_A_LINE,
    HARMLESS_GARBAGE[2],
    "\x00\x01\x02\n",
)


@dataclass(slots=True, frozen=True)
class Fault:
    """One fault. `victim` and `number` name the process; `seconds` is its duration, 0 for an instant."""

    kind: str
    victim: str
    number: int
    seconds: float
    values: dict[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        values = "".join(f" {key}={value!r}" for key, value in self.values.items())
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind} {self.victim}-{self.number}{values}{lasts}"


@dataclass(slots=True, frozen=True)
class Step:
    """Faults with the second at which each begins, and the seconds of pause after recovery."""

    faults: tuple[tuple[float, Fault], ...]
    rest: float

    def __str__(self) -> str:
        return ", ".join(f"{fault} (+{at:.1f} s)" if at else str(fault) for at, fault in self.faults)


Draw = Callable[[random.Random, int], Fault]


def _between(rng: random.Random, low: float, high: float) -> float:
    """Draw from a log-uniform distribution."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _bridge_kill(rng: random.Random, _: int) -> Fault:
    return Fault("kill -9", BRIDGE, rng.randint(1, WORKERS), rng.uniform(0.1, 12))


def _bridge_term(rng: random.Random, _: int) -> Fault:
    return Fault("SIGTERM and restart", BRIDGE, rng.randint(1, WORKERS), rng.uniform(0.1, 8))


def _bridge_stop(rng: random.Random, _: int) -> Fault:
    return Fault("SIGSTOP, back as a zombie", BRIDGE, rng.randint(1, WORKERS), _between(rng, 5, 60))


def _scale(rng: random.Random, _: int) -> Fault:
    return Fault("scale 3 to 2 to 3", BRIDGE, WORKERS, rng.uniform(10, 25))


def _broker_stop(rng: random.Random, brokers: int) -> Fault:
    return Fault(BROKER_STOP, KAFKA, rng.randint(1, brokers), _between(rng, 1, 70))


def _broker_kill(rng: random.Random, brokers: int) -> Fault:
    return Fault("broker kill and restart", KAFKA, rng.randint(1, brokers), _between(rng, 0.5, 30))


def _fence(rng: random.Random, _: int) -> Fault:
    return Fault("shard fenced by another producer", KAFKA, 1, 0.0, {"shard": rng.randrange(SHARDS)})


def _refuse_writes(rng: random.Random, brokers: int) -> Fault:
    # The bridge sees a low max.message.bytes in the topic settings; a missing permission shows in refused writes only.
    hows = (FEW_BYTES, NO_PERMISSION) if brokers == 1 else (FEW_BYTES,)
    return Fault("writes refused", KAFKA, 1, _between(rng, 2, 30), {"how": rng.choice(hows)})


def _chat(kind: str, rng: random.Random, seconds: float, **values: object) -> Fault:
    return Fault(kind, CHAT, rng.randint(1, CHAT_SERVERS), seconds, values)


def _drop(rng: random.Random, _: int) -> Fault:
    return _chat("drop all connections", rng, 0.0, reset=rng.random() < 0.5)


def _play_dead(rng: random.Random, _: int) -> Fault:
    return _chat("play dead", rng, _between(rng, 5, 40))


def _refuse(rng: random.Random, _: int) -> Fault:
    request = rng.choice(("RequestJoin", "RequestRegister"))
    error = rng.choice(_RETRYABLE_ERRORS)
    return _chat("refuse", rng, rng.uniform(3, 15), request=request, errorId=error)


def _delay(rng: random.Random, _: int) -> Fault:
    late: dict[str, object] = {"seconds": round(_between(rng, 0.2, 4), 2)}
    return Fault("delay answers", CHAT, rng.randint(1, CHAT_SERVERS), rng.uniform(5, 20), late)


def _restoration(rng: random.Random) -> dict[str, object]:
    return {
        "loseLast": rng.choice((0, 1, 2, 3, 8)),
        "continueIds": rng.random() < 0.5,
        "agentsReturn": rng.random() < 0.7,
    }


def _restart(rng: random.Random, _: int) -> Fault:
    down = round(rng.uniform(0, 6), 1)
    return _chat("restart with restoration", rng, 0.0, downSeconds=down, **_restoration(rng))


def _fail_over(rng: random.Random, _: int) -> Fault:
    return _chat("fail-over to the standby", rng, 0.0, announce=rng.random() < 0.5, **_restoration(rng))


def _garbage(rng: random.Random, _: int) -> Fault:
    # An incomplete line is terminated when the fault ends.
    return _chat(GARBAGE_FAULT, rng, rng.uniform(1, 6), text=rng.choice(GARBAGE))


def _chat_stop(rng: random.Random, _: int) -> Fault:
    return _chat("SIGSTOP", rng, _between(rng, 3, 40))


_DRAWS: Final[tuple[Draw, ...]] = (
    _bridge_kill,
    _bridge_kill,
    _bridge_term,
    _bridge_stop,
    _scale,
    _broker_stop,
    _broker_kill,
    _fence,
    _refuse_writes,
    _drop,
    _play_dead,
    _refuse,
    _delay,
    _restart,
    _restart,
    _fail_over,
    _garbage,
    _chat_stop,
)


def steps(seed: int, brokers: int = 1) -> Iterator[Step]:
    """Yield an endless sequence of steps; the same seed gives the same steps."""
    rng = random.Random(seed)
    bag: list[Draw] = []
    while True:
        faults: list[tuple[float, Fault]] = [(0.0, _next(bag, rng, brokers))]
        first = faults[0][1]
        if first.kind == BROKER_STOP and rng.random() < _KILLED_MEANWHILE:
            # The best test for events that were counted as captured before they were committed.
            faults.append((round(rng.uniform(0.5, 1.0) * first.seconds, 1), _bridge_kill(rng, brokers)))
        elif rng.random() < _PAIRS:
            second = _next(bag, rng, brokers)
            if second.victim != first.victim:
                faults.append((round(rng.uniform(0, max(first.seconds, 1.0)), 1), second))
        yield Step(tuple(faults), rng.uniform(7, 12))


def zombies(seed: int) -> Iterator[Step]:
    """Yield an endless sequence of workers that stand still until others have their shards, and then go on."""
    rng = random.Random(seed)
    while True:
        fault = Fault("SIGSTOP, back as a zombie", BRIDGE, rng.randint(1, WORKERS), rng.uniform(12, 20))
        yield Step(((0.0, fault),), rng.uniform(4, 6))


def _next(bag: list[Draw], rng: random.Random, brokers: int) -> Fault:
    if not bag:
        bag += rng.sample(_DRAWS, len(_DRAWS))
    return bag.pop()(rng, brokers)
