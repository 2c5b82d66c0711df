"""The section `outputs` of the settings: what is accepted, and what is refused with all problems at once."""

from __future__ import annotations

import json

import pytest

from bridge.config import Config, load, origins
from bridge.errors import ConfigError

RULES = [{"name": "cards", "detector": "payment_card"}, {"name": "mail", "detector": "email"}]


def loaded(*outputs: dict[str, object], **flags: str) -> Config:
    values = {"privacy.rules": json.dumps(RULES), "outputs": json.dumps(outputs)}
    return load(None, {}, values | {key.replace("__", "."): value for key, value in flags.items()})


def problems(*outputs: dict[str, object]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(*outputs)
    return [line.strip() for line in caught.value.message.splitlines()[1:]]


def test_outputs_are_listed_by_their_names() -> None:
    config = loaded({"name": "masked"}, {"name": "original", "topic_prefix": "archive.", "rules": []})
    assert [one.rules for one in config.outputs] == [None, ()]
    shown = {key: (value, origin) for key, value, origin in origins(config)}
    assert shown["outputs"] == ("masked, original", "flag --set outputs")
    assert shown["privacy.rules"][0] == "cards, mail"


def test_two_outputs_differ_in_their_names_and_their_topics() -> None:
    found = problems(
        {"name": "one"}, {"name": "two", "topic_prefix": ""}, {"name": "three", "topic_prefix": "a."}, {"name": "one"}
    )
    assert found == [
        "outputs: 2 outputs are called one; expected names that differ (from flag --set outputs)",
        (
            "outputs: one and two and one have the same topics, prefix ''; expected a topic_prefix for each "
            "(from flag --set outputs)"
        ),
    ]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"rules": ["card"]}, "there is no rule card in privacy.rules; did you mean cards?"),
        ({"rules": ["names"]}, "there is no rule names in privacy.rules; expected one of cards, mail"),
        ({"framing": "registry"}, "framing registry needs schema_registry.url"),
        ({"max_record_bytes": 2_000_000}, "max_record_bytes is above kafka.max_record_bytes, 1000000"),
        ({"where": {"kind": ["MESAGE"]}}, "'MESAGE'; expected 'PARTY_JOINED', 'MESSAGE'"),
        ({"where": {"tenants": ["a"]}}, "did you mean outputs.0.where.tenant?"),
        ({"ruls": []}, "did you mean outputs.0.rules?"),
        ({"topic_prefix": "a b"}, "text that matches"),
    ],
)
def test_what_an_output_cannot_have_is_named(output: dict[str, object], said: str) -> None:
    [problem] = problems({"name": "one", **output})
    assert said in problem


def test_an_output_is_framed_by_a_registry_that_there_is() -> None:
    config = loaded({"name": "one", "framing": "registry"}, schema_registry__url="http://127.0.0.1:8081")
    assert config.outputs[0].framing == "registry"
