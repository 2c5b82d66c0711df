"""Master keys in files: they unwrap what they have wrapped, and nothing else."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.sealing.file_wrapper import FileWrapper, id_of, read_master_key
from bridge.config import load
from bridge.errors import ConfigError, SealingFailed
from bridge.factories import names_of, wanted_topics
from bridge.sealing.data_keys import key_record, parsed_key_record
from bridge.sealing_factory import sealing_of
from tests.sealing.known_keys import data_key

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.sealing.data_keys import KeyWrapper, WrappedKey

NAMES = ["0000TEST00000001", "0000TEST00000002", "/partition/3"]
GIVEN = [(name, data_key(number)) for number, name in enumerate(NAMES)]


def new_master(file: Path) -> str:
    file.write_text(f"{os.urandom(32).hex()}\n", "utf-8")
    return str(file)


def wrapped_by(wrapper: KeyWrapper) -> list[WrappedKey]:
    return asyncio.run(wrapper.wrap(GIVEN))


def unwrapped_by(wrapper: KeyWrapper, keys: list[WrappedKey]) -> list[bytes]:
    """Return what keys are that were written to their topic and read back."""
    return asyncio.run(wrapper.unwrap([parsed_key_record(key.name, key_record(key)) for key in keys]))


def check_round(wrapper: KeyWrapper) -> list[WrappedKey]:
    """Check that a wrapper opens what it wraps, never shows it, and binds it to its name."""
    keys = wrapped_by(wrapper)
    assert unwrapped_by(wrapper, keys) == [key for _, key in GIVEN]
    assert wrapped_by(wrapper) != keys
    assert not any(key in one.wrapped for (_, key), one in zip(GIVEN, keys, strict=True))
    for bad in (
        replace(keys[0], name=NAMES[1]),
        replace(keys[0], wrapped=keys[0].wrapped[:-1] + bytes([keys[0].wrapped[-1] ^ 1])),
        replace(keys[0], wrapped=keys[0].wrapped[:20]),
    ):
        with pytest.raises(SealingFailed, match="was altered"):
            unwrapped_by(wrapper, [bad])
    return keys


def test_a_key_in_a_file_unwraps_what_it_has_wrapped(tmp_path: Path) -> None:
    file = new_master(tmp_path / "master")
    keys = check_round(FileWrapper(file))
    assert {key.master for key in keys} == {id_of(read_master_key(file))}
    assert read_master_key(file).hex() not in repr(FileWrapper(file).__dict__)


def test_a_former_key_unwraps_and_the_current_one_wraps(tmp_path: Path) -> None:
    former, current = new_master(tmp_path / "former"), new_master(tmp_path / "current")
    keys = wrapped_by(FileWrapper(former))
    both = FileWrapper(current, [former])
    assert unwrapped_by(both, [*keys, *wrapped_by(both)]) == [key for _, key in GIVEN] * 2
    assert {key.master for key in wrapped_by(both)} == {id_of(read_master_key(current))}
    with pytest.raises(SealingFailed, match="not configured"):
        unwrapped_by(FileWrapper(current), keys)


def test_a_file_that_changes_is_read_again_and_one_that_is_no_key_wraps_nothing(tmp_path: Path) -> None:
    file = tmp_path / "master"
    wrapper = FileWrapper(new_master(file))
    first = wrapped_by(wrapper)[0].master
    new = tmp_path / "new"
    new_master(new)
    new.replace(file)
    assert wrapped_by(wrapper)[0].master != first
    new.write_text("too short", "utf-8")
    new.replace(file)
    with pytest.raises(SealingFailed, match="64 hexadecimal digits"):
        wrapped_by(wrapper)


@pytest.mark.parametrize("text", ["", "00" * 31, "zz" * 32, "00" * 33])
def test_what_is_no_key_is_a_problem_of_the_settings_that_does_not_quote_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "master"
    file.write_text(text, "utf-8")
    config = load(None, {}, {"sealing.master_key_file": str(file)})
    with pytest.raises(ConfigError, match=r"sealing\.master_key_file") as caught:
        sealing_of(config, names_of(config))
    assert not text or text not in str(caught.value)


def test_a_sealed_output_needs_a_master_key_and_only_then_is_there_a_topic_of_keys(tmp_path: Path) -> None:
    flags = {"outputs": '[{"name": "default", "sealed": true}]'}
    with pytest.raises(ConfigError, match=r"sealing: .*default is sealed, which needs sealing\.master_key_file"):
        load(None, {}, flags)
    config = load(None, {}, {**flags, "sealing.master_key_file": new_master(tmp_path / "master")})
    assert sealing_of(config, names_of(config)).sealed == {"default"}
    [keys] = [topic for topic in wanted_topics(config) if topic.name == names_of(config).keys]
    assert keys.config["max.compaction.lag.ms"] == keys.config["segment.ms"] == "600000"
    assert names_of(config).keys not in [topic.name for topic in wanted_topics(load(None, {}, {}))]
