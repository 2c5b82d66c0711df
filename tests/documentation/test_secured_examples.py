from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.config import load
from bridge.factories import kafka_arguments
from tests.support.certificates import Authority
from tests.support.documented_settings import documented, written

if TYPE_CHECKING:
    from pathlib import Path


def test_the_ways_in_have_an_example_each() -> None:
    ways = {"scram", "mutual-tls", "oauthbearer", "msk-iam", "strimzi", "managed"}
    assert {f"{way}.yaml" for way in ways} <= documented().keys()


@pytest.mark.parametrize("name", documented())
def test_a_documented_settings_file_loads_with_the_files_that_it_names(name: str, tmp_path: Path) -> None:
    file = written(name, tmp_path, Authority(tmp_path), client="bridge", password="a-password-of-the-tests")
    config = load(file, {}, {})
    assert kafka_arguments(config).get("security_protocol") == config.kafka.client.get("security_protocol")
    assert config.schema_registry.auth.header() is not None
