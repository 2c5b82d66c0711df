"""Custom resources are decoded with the types of the operators that read them: one misspelt field is a failure."""

from __future__ import annotations

import copy
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.deploy_tools import operator_decoder, strimzi_decoder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.deploy.rendered_chart import Document

STRIMZI = {"KafkaTopic", "KafkaUser"}
MISSPELT = {
    "ServiceMonitor": ("spec.endpoints.0", "scrapeTimeout"),
    "PrometheusRule": ("spec.groups.0.rules.0", "expr"),
    "ScaledObject": ("spec", "minReplicaCount"),
    "ExternalSecret": ("spec.secretStoreRef", "kind"),
    "KafkaTopic": ("spec", "topicName"),
    "KafkaUser": ("spec.authorization.acls.0.resource", "patternType"),
}
"""Kind -> where a field of it is misspelt, and which."""


def is_custom(document: Document) -> bool:
    return document["kind"] in MISSPELT


def problems_of(documents: Iterable[Document]) -> list[str]:
    """Return what the decoders say, one line for each problem."""
    found: list[str] = []
    lists: dict[bool, list[str]] = {True: [], False: []}
    for one in documents:
        lists[one["kind"] in STRIMZI].append(json.dumps(one))
    for of_strimzi, lines in ((key, lines) for key, lines in lists.items() if lines):
        command = strimzi_decoder() if of_strimzi else [str(operator_decoder())]
        given = "".join(f"{line}\n" for line in lines)
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == (1 if done.stdout else 0), done.stderr
        found += done.stdout.splitlines()
    return found


def test_every_custom_resource_is_understood(objects: dict[str, list[Document]]) -> None:
    found = [one for all_of_kind in objects.values() for one in all_of_kind if is_custom(one)]
    assert {one["kind"] for one in found} == MISSPELT.keys()
    assert problems_of(found) == []


@pytest.mark.parametrize("kind", MISSPELT)
def test_one_misspelt_field_is_found(objects: dict[str, list[Document]], kind: str) -> None:
    path, name = MISSPELT[kind]
    document = copy.deepcopy(next(one for one in objects["everything"] if one["kind"] == kind))
    place: Any = document
    for part in path.split("."):
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[f"{name}s"] = place.pop(name)
    problems = problems_of([document])
    assert len(problems) >= 1
    assert any(f"{name}s" in one for one in problems), problems


@pytest.mark.parametrize(
    "kind", ["ServiceMonitor", "PrometheusRule", "ScaledObject", "ExternalSecret", "KafkaTopic", "KafkaUser"]
)
def test_a_misspelt_name_of_metadata_is_found_as_well(objects: dict[str, list[Document]], kind: str) -> None:
    document = copy.deepcopy(next(one for one in objects["everything"] if one["kind"] == kind))
    document["metadata"]["Labels"] = document["metadata"].pop("labels")
    assert any("Labels" in one for one in problems_of([document]))


def test_a_value_that_strimzi_does_not_know_is_found(objects: dict[str, list[Document]]) -> None:
    document = copy.deepcopy(next(one for one in objects["everything"] if one["kind"] == "KafkaUser"))
    first = document["spec"]["authorization"]["acls"][0]
    first["operations"][0], first["resource"]["patternType"] = "Reed", "literally"
    problems = problems_of([document])
    assert [word for word in ("Reed", "literally") for one in problems if word in one] == ["Reed", "literally"]
