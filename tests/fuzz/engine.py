"""What the fuzzers share: the corpus, mutations of bytes, the fixed run of the tests, the long run of `make fuzz`."""

from __future__ import annotations

import hashlib
import random
import re
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

FOLDER: Final = Path(__file__).parent
LONGEST: Final = 20_000
"""Bytes of a mutant: what is believed of size has tests of its own."""

MARKER: Final = "kumquat"
"""Stands in every corpus for what nobody may quote."""

_MOST_CHANGES: Final = 6
_NUMBERS: Final = (
    *(b"0", b"-0", b"-1", b"1", b"1e999", b"1E-400", b"0.1", b"NaN", b"Infinity", b"true", b"null", b"0x1F", b"1_000"),
    *(str(number).encode() for power in (7, 8, 15, 16, 31, 32, 63, 64) for number in (2**power - 1, 2**power)),
    str(-(2**31) - 1).encode(),
    str(-(2**63) - 1).encode(),
    b"9" * 400,
    b"9" * 5_000,
)
_ANYWHERE: Final = (
    *(
        b"\0",
        b"\n",
        b"\r\n",
        b"\t",
        b" ",
        b'"',
        b"'",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"<",
        b">",
        b"&",
        b"#",
    ),
    *(b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", "é😀\u202e".encode()),
    *(b"\\u0000", b"\\ud800", b"\\udc00\\ud800", b"\\uD83D\\uDE00", b"%s%n", b"../../", MARKER.encode()),
)
_DIGITS: Final = re.compile(rb"-?[0-9]+")
_WORD: Final = re.compile(rb"[A-Za-z0-9_.:-]+")


@dataclass(slots=True)
class Fuzzer:
    """One decoder. `check` raises when a belief is broken; it returns a label: what kind of answer there was.

    `tokens` are words that the decoder knows; `seeds` come on top of the files in the corpus.
    """

    name: str
    check: Callable[[bytes], str]
    tokens: tuple[bytes, ...] = ()
    seeds: tuple[bytes, ...] = ()
    _corpus: list[bytes] = field(default_factory=list)

    def files(self) -> list[Path]:
        """The committed corpus."""
        return sorted((FOLDER / "corpus" / self.name).glob("*"))

    def corpus(self) -> list[bytes]:
        """All seeds; never none."""
        if not self._corpus:
            self._corpus = [*(file.read_bytes() for file in self.files()), *self.seeds]
        assert self._corpus, f"no corpus of {self.name}"
        return self._corpus

    def mutants(self) -> st.SearchStrategy[bytes]:
        """Mutants of the corpus, for hypothesis to draw and to shrink."""
        return _mutants(self)


# --- mutations -------------------------------------------------------------------------------------------------------


def mutate(data: bytes, other: bytes, tokens: tuple[bytes, ...], pick: Callable[[int], int]) -> bytes:
    """Change some bytes. `pick(n)` chooses one of 0 to n-1; `other` is another seed to splice with."""
    out = bytearray(data)
    for _ in range(1 + min(pick(_MOST_CHANGES), pick(_MOST_CHANGES), pick(_MOST_CHANGES))):
        changes = _OF_BYTES if pick(2) else _OF_WORDS
        changes[pick(len(changes))](out, other, tokens or _ANYWHERE, pick)
        del out[LONGEST:]
    return bytes(out)


def _span(out: bytearray, pick: Callable[[int], int]) -> slice:
    at = pick(len(out) + 1)
    return slice(at, min(len(out), at + 1 + pick(6) ** 2))


def _cut(out: bytearray, _other: bytes, _tokens: tuple[bytes, ...], pick: Callable[[int], int]) -> None:
    del out[_span(out, pick)]


def _flip(out: bytearray, _other: bytes, _tokens: tuple[bytes, ...], pick: Callable[[int], int]) -> None:
    if out:
        out[pick(len(out))] ^= 1 << pick(8)


def _overwrite(out: bytearray, other: bytes, tokens: tuple[bytes, ...], pick: Callable[[int], int]) -> None:
    at, begin = pick(len(out) + 1), pick(len(other) + 1)
    piece = (bytes((pick(256),)), tokens[pick(len(tokens))], other[begin : begin + 1 + pick(8)])[pick(3)]
    out[at : at + len(piece)] = piece


def _insert(out: bytearray, _other: bytes, tokens: tuple[bytes, ...], pick: Callable[[int], int]) -> None:
    at, words = pick(len(out) + 1), (tokens, _ANYWHERE)[pick(2)]
    out[at:at] = words[pick(len(words))]


def _repeat(out: bytearray, _other: bytes, _tokens: tuple[bytes, ...], pick: Callable[[int], int]) -> None:
    span = _span(out, pick)
    out[span] = out[span] * (2, 3, 100)[pick(3)]


def _splice(out: bytearray, other: bytes, _tokens: tuple[bytes, ...], pick: Callable[[int], int]) -> None:
    del out[pick(len(out) + 1) :]
    out += other[pick(len(other) + 1) :]


def _other_number(out: bytearray, _other: bytes, _tokens: tuple[bytes, ...], pick: Callable[[int], int]) -> None:
    _replace(out, _DIGITS, _NUMBERS, pick)


def _other_word(out: bytearray, other: bytes, tokens: tuple[bytes, ...], pick: Callable[[int], int]) -> None:
    _replace(out, _WORD, (_WORD.findall(other), _WORD.findall(out), tokens, _ANYWHERE)[pick(4)], pick)


def _replace(out: bytearray, what: re.Pattern[bytes], by: Sequence[bytes], pick: Callable[[int], int]) -> None:
    found = [place.span() for place in what.finditer(out)]
    if found and by:
        start, end = found[pick(len(found))]
        out[start:end] = by[pick(len(by))]


_OF_BYTES: Final = (_cut, _flip, _overwrite, _overwrite, _insert, _repeat, _splice)
_OF_WORDS: Final = (_other_number, _other_word)


@st.composite
def _mutants(draw: st.DrawFn, fuzzer: Fuzzer) -> bytes:
    corpus = fuzzer.corpus()

    def pick(number: int) -> int:
        return draw(st.integers(0, number - 1)) if number > 1 else 0

    return mutate(corpus[pick(len(corpus))], corpus[pick(len(corpus))], fuzzer.tokens, pick)


# --- measures --------------------------------------------------------------------------------------------------------


def work(act: Callable[[], object]) -> int:
    """How many functions are called, of Python or of C: a measure that no busy machine changes."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(before)
    return calls


def shape(words: Iterable[str]) -> str:
    """A label of a few words, without numbers: one of not too many."""
    return " | ".join(sorted({re.sub(r"[0-9]+", "n", word)[:100] for word in words}))


# --- runs ------------------------------------------------------------------------------------------------------------


def run_fixed(fuzzer: Fuzzer, count: int) -> Counter[str]:
    """Check every seed and twice `count` mutants, the same ones each time; return how often each label came.

    Half of the mutants are drawn by hypothesis, which shrinks what breaks; its draws favour the simplest too much to be
    all there is.
    """
    corpus, rng = fuzzer.corpus(), random.Random(fuzzer.name)
    tally: Counter[str] = Counter(map(fuzzer.check, corpus))

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(fuzzer.mutants())
    def belief_holds(data: bytes) -> None:
        tally[fuzzer.check(data)] += 1

    belief_holds()
    for _ in range(count):
        data = mutate(rng.choice(corpus), rng.choice(corpus), fuzzer.tokens, rng.randrange)
        tally[fuzzer.check(data)] += 1
    return tally


def run_long(fuzzer: Fuzzer, seconds: float, seed: int, say: Callable[[str], Any]) -> list[Path]:
    """Check mutants until the time is over; return the files that crashers were written to."""
    rng = random.Random(f"{seed} {fuzzer.name}")
    pool, tally = list(fuzzer.corpus()), Counter(fuzzer.check(one) for one in fuzzer.corpus())
    found: dict[str, Path] = {}
    begun = told = time.monotonic()
    runs = 0
    while (now := time.monotonic()) < begun + seconds:
        if now > told + 5:
            told = now
            say(
                f"{fuzzer.name}: {runs} runs, {runs / (now - begun):.0f}/s, {len(tally)} answers, {len(found)} crashers"
            )
        data = mutate(rng.choice(pool), rng.choice(pool), fuzzer.tokens, rng.randrange)
        runs += 1
        try:
            label = fuzzer.check(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we are looking for
            kind = _place(error)
            if kind not in found:
                found[kind] = _saved(fuzzer, _smaller(fuzzer, data, kind))
                say(f"{fuzzer.name}: {kind}\n  written to {found[kind]}")
            continue
        if label not in tally:  # a new kind of answer: worth going on from
            pool.append(data)
        tally[label] += 1
    rare = ", ".join(f"{label or 'nothing'} ({count})" for label, count in tally.most_common(6))
    say(f"{fuzzer.name}: {runs} runs in {seconds:g} s, {len(tally)} answers, {len(found)} crashers; most often: {rare}")
    return list(found.values())


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}: {str(error)[:200]}"


def _smaller(fuzzer: Fuzzer, data: bytes, kind: str) -> bytes:
    """Cut away what is not needed to break it in the same place."""
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            try:
                fuzzer.check(shorter)
            except Exception as error:  # noqa: BLE001 - as above
                if _place(error).partition(": ")[0] == kind.partition(": ")[0]:
                    data = shorter
                    continue
            at += size
        size //= 2
    return data


def _saved(fuzzer: Fuzzer, data: bytes) -> Path:
    folder = FOLDER / "crashers" / fuzzer.name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.bin"
    file.write_bytes(data)
    return file
