"""For any bytes that are items: flattening loses nothing or raises AttributesTooDeep; any maps unflatten or ValueError.

Also: no path is longer than the rule allows, and the flat form of what was unflattened is the flat form again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from bridge.errors import AttributesTooDeep
from bridge.transcript.attributes import MAX_PATH, flatten, unflatten
from bridge.transcript.events import Item
from tests.fuzz.engine import Fuzzer, run_fixed, work

if TYPE_CHECKING:
    from pathlib import Path

CALLS_PER_BYTE: Final = 20

TOKENS: Final = (
    *(
        b'{"key":"',
        b'","type":"',
        b'","value":',
        b"[]",
        b"[{}]",
        b'"kvlist"',
        b'"list"',
        b'"int"',
        b'"float"',
        b"#2",
        b"#",
    ),
    *(b".", b"\\\\", b"\\\\.", b"a.b#3.c", b'{"values":{', b'},"types":{', b"NaN", b"1e5", b"007", b"-0", b"a" * 700),
)

_ITEMS: Final = msgspec.json.Decoder(list[Item])


class _Maps(msgspec.Struct):
    values: dict[str, str]
    types: dict[str, str] = {}


_MAPS: Final = msgspec.json.Decoder(_Maps)


def check(data: bytes) -> str:
    for decoder in (_ITEMS, _MAPS):
        try:
            value = decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        labels: list[str] = []
        act = partial(_check_maps, value) if isinstance(value, _Maps) else partial(_check_items, value)
        assert work(lambda: labels.append(act())) <= 1_000 + CALLS_PER_BYTE * len(data)  # noqa: B023 - called here
        return labels[0]
    return "neither"


def _check_items(items: list[Item]) -> str:
    try:
        values, types = flatten(items)
    except AttributesTooDeep:
        return "too deep"
    for path in values:
        above = path.rpartition(".")[0]
        assert len(above) <= MAX_PATH or "\\." in path
    rebuilt = unflatten(values, types)
    again = flatten(rebuilt)
    assert list(again[0].items()) == list(values.items())
    assert again[1] == types
    return "flattened, nested" if any("." in path for path in values) else "flattened"


def _check_maps(maps: _Maps) -> str:
    try:
        items = unflatten(maps.values, maps.types)
    except ValueError:
        return "no paths"
    try:
        values, types = flatten(items)
    except AttributesTooDeep:
        return "too deep"
    # Whatever paths there were: of what came of them the round trip is exact.
    assert flatten(unflatten(values, types)) == (values, types)
    return "unflattened"


FUZZER: Final = Fuzzer("attributes", check, TOKENS)


@pytest.mark.parametrize("file", FUZZER.files(), ids=lambda file: file.name)
def test_every_file_of_the_corpus_is_taken_or_refused_as_its_name_says(file: Path) -> None:
    refused = check(file.read_bytes()) in ("neither", "too deep", "no paths")
    assert refused is file.name.startswith("bad-")


def test_attributes_bear_any_items_and_any_maps() -> None:
    tally = run_fixed(FUZZER, 600)
    assert set(tally) == {"neither", "too deep", "no paths", "flattened", "flattened, nested", "unflattened"}
