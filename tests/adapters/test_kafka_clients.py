"""What bridge/kafka_clients.py relies on in aiokafka: every question about topics is a MetadataRequest, made anew."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import aiokafka
import pytest
from aiokafka import protocol
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.metadata import MetadataRequest

from bridge import kafka_clients

METADATA = 3
FIRST_THAT_CAN_SAY_NO = 4
"""The first version of the request with `allow_auto_topic_creation`: Kafka 0.11."""


def subclasses(of: type[Any]) -> set[type[Any]]:
    """Return all classes of aiokafka that derive from one."""
    for module in pkgutil.walk_packages(protocol.__path__, "aiokafka.protocol."):
        importlib.import_module(module.name)
    direct = set(of.__subclasses__())
    found = direct.union(*(subclasses(one) for one in direct))
    return {one for one in found if one.__module__.startswith("aiokafka.")}


def metadata_versions() -> list[int]:
    return sorted(one.API_VERSION for one in subclasses(RequestStruct) if one.API_KEY == METADATA)


def test_each_version_that_can_say_so_has_no_topic_created() -> None:
    versions = [version for version in metadata_versions() if version >= FIRST_THAT_CAN_SAY_NO]
    assert versions
    for words in (["topic"],), (None,), (["topic"], True):
        for version in versions:
            sent = MetadataRequest(*words).prepare({METADATA: (version, version)})
            assert version == sent.API_VERSION
            assert sent.topics == words[0]
            assert sent.allow_auto_topic_creation is False


def test_a_broker_of_today_is_asked_in_such_a_version() -> None:
    assert MetadataRequest(["topic"]).prepare({METADATA: (0, 13)}).API_VERSION >= FIRST_THAT_CAN_SAY_NO


def test_no_other_request_of_aiokafka_asks_for_metadata_or_may_have_topics_created() -> None:
    assert {one for one in subclasses(Request) if one.API_KEY == METADATA} == {MetadataRequest}
    creating = {one for one in subclasses(RequestStruct) if any("auto" in name for name in one.SCHEMA.names)}
    assert {one.API_KEY for one in creating} == {METADATA}


def test_aiokafka_makes_its_requests_by_this_class_and_by_no_version_of_it() -> None:
    folder = Path(aiokafka.__file__).parent
    texts = {path: path.read_text("utf-8") for path in folder.rglob("*.py") if "protocol" not in path.parts}
    assert folder / "client.py" in texts
    assert [path for path, text in texts.items() if "MetadataRequest_v" in text] == []


@pytest.mark.parametrize("name", kafka_clients.__all__)
def test_the_clients_are_those_of_aiokafka(name: str) -> None:
    assert getattr(kafka_clients, name).__module__.startswith("aiokafka.")
