"""Keys of the Helm chart that pages name are ones that its schema has: `helm` refuses any other."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.documentation.reference_pages import ROOT
from tests.documentation.test_markdown import PAGES, prose

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = json.loads((ROOT / "deploy" / "helm" / "chatbridge" / "values.schema.json").read_text("utf-8"))
SECTIONS = SCHEMA["$defs"]["Settings"]["properties"].keys()
_OF_TOPICS = "chat"  # the first word of their names
NAMED = re.compile(r"`(\w+(?:\.\w+)+)(?:: [^`]*)?`")


def section_of(part: dict[str, Any]) -> dict[str, Any]:
    """Return what a part of the schema refers to, by itself or for one of its alternatives."""
    for one in (part, *part.get("anyOf", ()), *part.get("allOf", ())):
        if "$ref" in one:
            found: dict[str, Any] = SCHEMA["$defs"][one["$ref"].rpartition("/")[2]]
            return found
    return part


def is_known(key: str) -> bool:
    part = SCHEMA
    for name in key.split("."):
        if name not in part.get("properties", {}):
            return False
        part = section_of(part["properties"][name])
    return True


def is_of_the_chart(key: str) -> bool:
    """Return whether it begins as a key of the chart does, or names a section of settings below something else."""
    first, second, *_ = key.split(".")
    return first in SCHEMA["properties"] or (second in SECTIONS and first not in {*SECTIONS, _OF_TOPICS})


def unknown_keys(text: str) -> list[str]:
    return [key for key in NAMED.findall(text) if is_of_the_chart(key) and not is_known(key)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_keys_that_the_chart_has(page: Path) -> None:
    assert unknown_keys(prose(page)) == []


def test_a_key_that_the_chart_refuses_is_found() -> None:
    text = "`config.kafka.transactions: shard`, `settings.kafka.partition`, `strimzi.topic`, `kafka.partitions`, `a.py`"
    assert unknown_keys(text) == ["config.kafka.transactions", "settings.kafka.partition", "strimzi.topic"]
    assert unknown_keys("`settings.kafka.partitions: 12`, `strimzi.topics.enabled`, `settings.kafka.client`") == []
