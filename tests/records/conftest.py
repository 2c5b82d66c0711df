"""The schemas of the source tree, read once."""

from __future__ import annotations

import pytest

from bridge.records.avro import Schemas, schema_folder
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    return Schemas(schema_folder())


@pytest.fixture(scope="session")
def recording(schemas: Schemas) -> Recording:
    return Recording(schemas, Redactor())
