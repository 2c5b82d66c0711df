"""What follows from outputs of the settings: topics, rules, headers, rights and subjects, and which one is read."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka.rights import Right
from bridge.cli import main
from bridge.config import Config, load
from bridge.connection_factory import record_limits_of
from bridge.factories import key_name_of, names_of, needed_rights, rights_check_of, wanted_topics
from bridge.output_factory import (
    outputs_of,
    recordings_of,
    redactor_of,
)
from bridge.output_topics import with_first
from bridge.records.avro import Schemas, schema_folder
from bridge.records.payload_framing import single_object
from bridge.records.selection import Where
from bridge.registry_factory import registered_headers, registered_subjects_of
from bridge.worker_factories import described
from tests.support.documented_settings import OUTPUTS_PAGE, documented

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.capture.outputs import Output

CARD = "my card is 4111 1111 1111 1111"
SCHEMAS = Schemas(schema_folder())
RECORDS = ("chat.transcript.events.v1", "chat.transcript.sessions.v1", "chat.transcript.quarantine.v1")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return the worked example of the documentation."""
    file = tmp_path / "outputs.yaml"
    file.write_text(documented(OUTPUTS_PAGE)["outputs.yaml"], "utf-8")
    return load(file, {}, {})


def built(config: Config) -> tuple[Output, ...]:
    return outputs_of(config, recordings_of(config, SCHEMAS), asyncio.run(registered_headers(config, SCHEMAS)))


def shown(output: Output) -> str:
    return output.recording.redactor.text("message.text", CARD, [])


def test_without_outputs_there_is_one_that_has_everything() -> None:
    rules = json.dumps([{"name": "cards", "detector": "payment_card"}])
    [output] = built(load(None, {}, {"kafka.topic_prefix": "p.", "privacy.rules": rules}))
    assert output.name == "default"
    assert output.topics["events"] == "p.chat.transcript.events.v1"
    assert output.payload_headers["events"] == single_object(SCHEMAS.fingerprint("org.chatbridge.v1.TranscriptEvent"))
    assert shown(output) == "my card is *******************"


def test_each_output_has_its_own_topics_and_rules(config: Config) -> None:
    masked, original = built(config)
    assert [masked.name, original.name] == ["default", "original"]
    assert tuple(masked.topics.values()) == tuple(f"contact-centre.{name}" for name in RECORDS)
    assert tuple(original.topics.values()) == tuple(f"archive.{name}" for name in RECORDS)
    assert (shown(masked), shown(original)) == ("my card is *******************", CARD)


def test_what_is_no_output_s_own_keeps_the_prefix_of_the_installation(config: Config) -> None:
    names = names_of(with_first(config, "original"))
    assert names.events == "archive.chat.transcript.events.v1"
    assert names.checkpoints == "contact-centre.chat.capture.checkpoints.v1"
    assert names.leaves == "contact-centre.chat.capture.leaves.v1"
    assert key_name_of(config, names) == key_name_of(config, names_of(config))


def test_the_topics_of_every_output_are_wanted_once_with_its_limit(config: Config) -> None:
    second = config.outputs[1].model_copy(update={"max_record_bytes": 100_000})
    small = config.model_copy(update={"outputs": (config.outputs[0], second)})
    topics = {topic.name: topic.config["max.message.bytes"] for topic in wanted_topics(small)}
    assert len(topics) == len(wanted_topics(small)) == 9
    assert topics["archive.chat.transcript.events.v1"] == str(100_000 + 262_144)
    assert topics["contact-centre.chat.transcript.events.v1"] == str(1_000_000 + 262_144)
    assert record_limits_of(small) == {f"archive.{name}": 100_000 for name in RECORDS}
    assert record_limits_of(config) == {}


def test_a_worker_needs_rights_on_every_output_and_a_reader_on_one(config: Config) -> None:
    events = {f"{prefix}chat.transcript.events.v1" for prefix in ("contact-centre.", "archive.")}
    written = {right.name for right in needed_rights(config, "run", all_outputs=True) if right.operation == "Write"}
    assert events <= written
    read = rights_check_of(with_first(config, "original"), "tail").needed
    assert read == [Right("topic", "archive.chat.transcript.events.v1", "Read")]


@pytest.mark.parametrize(
    ("words", "topics"),
    [
        ([], ["contact-centre", "archive"]),
        (["--output", "original"], ["archive"]),
        (["--output", "default"], ["contact-centre"]),
    ],
)
def test_the_rights_of_a_reader_are_those_on_all_outputs_or_on_one(
    words: list[str], topics: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "outputs.yaml"
    file.write_text(documented(OUTPUTS_PAGE)["outputs.yaml"], "utf-8")
    assert main(["acls", "--for", "tail", "--config", str(file), *words]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("kafka-acls")]
    assert [line.rpartition(" ")[2] for line in lines] == [f"{one}.chat.transcript.events.v1" for one in topics]


def test_an_output_that_there_is_not_is_named_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "outputs.yaml"
    file.write_text(documented(OUTPUTS_PAGE)["outputs.yaml"], "utf-8")
    assert main(["tail", "--config", str(file), "--output", "orignal"]) == 2
    assert "did you mean original?" in capsys.readouterr().err


def test_only_outputs_that_use_the_registry_have_subjects_there() -> None:
    outputs = [{"name": "default"}, {"name": "plain", "topic_prefix": "plain.", "framing": "single_object"}]
    flags = {"schema_registry.url": "http://127.0.0.1:1", "outputs": json.dumps(outputs)}
    assert list(registered_subjects_of(load(None, {}, flags))) == [f"{name}-value" for name in RECORDS]
    assert registered_subjects_of(load(None, {}, {"outputs": json.dumps(outputs)})) == {}


def test_the_hash_of_the_settings_tells_outputs_and_rules_apart(config: Config) -> None:
    first, second = config.outputs
    others = [
        config.model_copy(update={"outputs": (first, second.model_copy(update={"rules": ("cards",)}))}),
        config.model_copy(update={"privacy": config.privacy.model_copy(update={"rules": config.privacy.rules[:1]})}),
    ]
    assert len({described(one)["settings"] for one in (config, *others)}) == 3


def test_rules_are_chosen_by_their_names_and_keep_their_order() -> None:
    rules = [{"name": "mail", "detector": "email"}, {"name": "cards", "detector": "payment_card"}]
    outputs = [{"name": "default", "rules": ["cards"]}]
    config = load(None, {}, {"privacy.rules": json.dumps(rules), "outputs": json.dumps(outputs)})
    text = f"{CARD}, a@example.com"
    assert redactor_of(config).text("message.text", text, []) == "my card is *******************, a@example.com"


def test_the_other_example_of_the_page_says_which_part_an_output_has(tmp_path: Path) -> None:
    file = tmp_path / "parts.yaml"
    file.write_text(documented(OUTPUTS_PAGE)["parts.yaml"], "utf-8")
    everything, north, customers = built(load(file, {}, {}))
    assert everything.where is None
    assert north.where == Where(tenant=("North", "North-*"))
    expected = Where(kind=("MESSAGE",), user_type=("CLIENT",), attribute={"Department": "Sales*"})
    assert customers.where == expected


def test_an_output_is_ended_by_its_settings() -> None:
    outputs = [{"name": "default"}, {"name": "former", "topic_prefix": "former.", "ended": True}]
    assert [one.ended for one in built(load(None, {}, {"outputs": json.dumps(outputs)}))] == [False, True]
