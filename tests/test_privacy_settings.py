"""Settings of rules and keys, and the redactors that are made from them."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from bridge.config import load, origins
from bridge.errors import ConfigError
from bridge.output_factory import recordings_of, redactor_of
from bridge.records.avro import Schemas, schema_folder
from bridge.records.pseudonyms import HashKey, pseudonym
from bridge.redactor_factory import hash_keys_of, watch_hash_key
from bridge.secrets_watch import SecretsWatch
from bridge.telemetry import Telemetry

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config import Config

MAIL = "nora@example.org"
RULES = [
    {"name": "mail", "detector": "email", "action": "hash"},
    {"name": "city", "attribute": "City", "action": "allow", "group": "userData"},
    {"name": "street", "attribute": "Street", "mask": "fixed"},
]
FIRST, SECOND = "first-key-of-sixteen", "second-key-of-sixteen"


def config_of(privacy: dict[str, object], **more: object) -> Config:
    settings = {"privacy": {"rules": RULES, **privacy}, **more}
    return load(
        None,
        {
            f"CHATBRIDGE_{section}__{key}".upper() if isinstance(values, dict) else f"CHATBRIDGE_{section}".upper(): (
                inner if isinstance(inner, str) else json.dumps(inner)
            )
            for section, values in settings.items()
            for key, inner in (values.items() if isinstance(values, dict) else [("", values)])
        },
        {},
    )


def keys_in(folder: Path, **keys: str) -> list[dict[str, str]]:
    for name, key in keys.items():
        (folder / name).write_text(f"{key}\n")
    return [{"id": name, "key_file": str(folder / name)} for name in keys]


def test_the_first_key_makes_the_pseudonyms_and_the_one_without_an_id_is_the_last(tmp_path: Path) -> None:
    config = config_of({"hash_keys": keys_in(tmp_path, new=FIRST, old=SECOND), "hash_key": "k" * 16})
    keys = [HashKey("new", FIRST.encode()), HashKey("old", SECOND.encode()), HashKey(None, b"k" * 16)]
    assert hash_keys_of(config.privacy) == keys
    assert dict(line[:2] for line in origins(config))["privacy.hash_keys"] == "new, old"
    assert redactor_of(config).text("message.text", MAIL, []) == pseudonym(keys[0], MAIL)
    single = config_of({"hash_key": "k" * 16})
    assert redactor_of(single).text("message.text", MAIL, []) == pseudonym(keys[2], MAIL)


def test_typing_previews_are_dropped_where_a_rule_has_a_detector_if_nothing_else_is_set() -> None:
    outputs = [
        {"name": "all", "topic_prefix": "a."},
        {"name": "paths", "topic_prefix": "b.", "rules": ["city", "street"]},
        {"name": "kept", "topic_prefix": "c.", "typing_previews": "keep"},
        {"name": "dropped", "topic_prefix": "d.", "rules": [], "typing_previews": "drop"},
    ]
    recordings = recordings_of(config_of({"hash_key": "k" * 16}, outputs=outputs), Schemas(schema_folder()))
    assert {name: one.redactor.typing_previews for name, one in recordings.items()} == {
        "all": False,
        "paths": True,
        "kept": True,
        "dropped": False,
    }
    assert recordings["paths"].redactor.has_allow_list


def test_a_changed_key_file_gives_all_outputs_another_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bridge")
    outputs = [{"name": "one", "topic_prefix": "a."}, {"name": "two", "topic_prefix": "b."}]
    config = config_of({"hash_keys": keys_in(tmp_path, k1=FIRST)}, outputs=outputs)
    redactors = [one.redactor for one in recordings_of(config, Schemas(schema_folder())).values()]
    before = [one.rule_set for one in redactors]
    watch = SecretsWatch(Telemetry())
    watch_hash_key(config.privacy, redactors, watch)
    watch.check()
    assert [one.rule_set for one in redactors] == before
    (tmp_path / "k1").write_text("short")
    watch.check()
    assert [one.text("", MAIL, []) for one in redactors] == [pseudonym(HashKey("k1", FIRST.encode()), MAIL)] * 2
    (tmp_path / "k1").write_text(SECOND)
    watch.check()
    assert [one.text("", MAIL, []) for one in redactors] == [pseudonym(HashKey("k1", SECOND.encode()), MAIL)] * 2
    assert set(before).isdisjoint(one.rule_set for one in redactors)
    assert [record.message for record in caplog.records] == ["secret_unusable", "secret_read_again"]


def test_a_key_that_is_no_file_is_not_watched() -> None:
    watch = SecretsWatch(Telemetry())
    watch_hash_key(config_of({"hash_key": "k" * 16}).privacy, [], watch)
    assert watch.secrets == []


@pytest.mark.parametrize(
    ("privacy", "says"),
    [
        ({"rules": [RULES[1], RULES[1]]}, "2 rules are called city"),
        ({"rules": [{"name": "secret", "detector": "email"}]}, "another name"),
        ({"rules": [{"name": "r", "detector": "email", "group": "userData"}]}, "goes with attribute"),
        ({"rules": [{"name": "r", "detector": "email", "action": "allow"}]}, "allow goes with attribute"),
        ({"rules": [{"name": "r", "attribute": "a", "action": "drop", "mask": "fixed"}]}, "goes with action: mask"),
        ({"hash_keys": [{"id": "a:b", "key_file": "x"}]}, "hash_keys.0.id"),
        ({"hash_keys": [{"id": "k1", "key_file": "/nowhere/at/all"}]}, "key_file of k1: No such file"),
        ({}, "set privacy.hash_keys"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(privacy: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        config_of(privacy)


def test_ids_of_keys_differ_and_keys_are_long_enough_and_not_told(tmp_path: Path) -> None:
    keys = keys_in(tmp_path, k1=FIRST, k2="short-kumquat")
    with pytest.raises(ConfigError, match="2 keys have the id k1"):
        config_of({"hash_keys": [keys[0], keys[0]]})
    with pytest.raises(ConfigError, match="key_file of k2: expected at least 16 characters") as caught:
        config_of({"hash_keys": keys})
    assert "kumquat" not in str(caught.value)
