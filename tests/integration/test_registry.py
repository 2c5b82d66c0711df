from __future__ import annotations

import asyncio
import json
import uuid

import pytest

from bridge.adapters.schema_registry import SchemaRegistry
from bridge.errors import RegistryRefused, RegistryUnavailable
from bridge.records.avro import ROOTS, Schemas, schema_folder

FIRST = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}


def client(url: str) -> SchemaRegistry:
    return SchemaRegistry([url], timeout_seconds=20)


def with_field(**field: object) -> str:
    return json.dumps({**FIRST, "fields": [*FIRST["fields"], {"name": "b", "type": "string", **field}]})


@pytest.fixture
def subject() -> str:
    return f"s{uuid.uuid4().hex}-value"


@pytest.mark.parametrize("name", ROOTS)
def test_our_schemas_are_accepted_and_registering_again_gives_the_same_id(
    registry: str, subject: str, name: str
) -> None:
    async def main() -> None:
        schemas = Schemas(schema_folder())
        async with client(registry) as ours:
            assert await ours.check(subject, schemas.text(name)) == []
            first = await ours.register(subject, schemas.text(name))
            assert await ours.register(subject, schemas.text(name)) == first
            assert await ours.check(subject, schemas.text(name)) == []

    asyncio.run(main())


def test_a_field_without_a_default_is_refused_and_one_with_it_accepted(registry: str, subject: str) -> None:
    async def main() -> None:
        async with client(registry) as ours:
            await ours.register(subject, json.dumps(FIRST))
            assert await ours.check(subject, with_field()) != []
            with pytest.raises(RegistryRefused, match="409"):
                await ours.register(subject, with_field())
            assert await ours.check(subject, with_field(default="")) == []
            await ours.register(subject, with_field(default=""))

    asyncio.run(main())


def test_workers_that_start_at_the_same_moment_all_get_the_id_of_a_new_subject(registry: str, subject: str) -> None:
    async def main() -> None:
        async with client(registry) as ours:
            ids = await asyncio.gather(*(ours.register(subject, json.dumps(FIRST)) for _ in range(8)))
            assert len(set(ids)) == 1

    asyncio.run(main())


def test_a_schema_is_told_by_its_id(registry: str, subject: str) -> None:
    async def main() -> None:
        async with client(registry) as ours:
            schema_id = await ours.register(subject, with_field(default=""))
            told = await ours.schema(schema_id)
            assert told is not None
            assert json.loads(told)["fields"][1]["default"] == ""
            assert await ours.schema(2**31 - 1) is None

    asyncio.run(main())


def test_what_is_no_schema_is_refused(registry: str, subject: str) -> None:
    async def main() -> None:
        async with client(registry) as ours:
            with pytest.raises(RegistryRefused):
                await ours.register(subject, "no schema")

    asyncio.run(main())


def test_a_registry_that_is_away_is_named() -> None:
    async def main() -> None:
        async with client("http://127.0.0.1:1") as ours:
            with pytest.raises(RegistryUnavailable, match=r"127\.0\.0\.1:1 does not answer"):
                await ours.register("s", "{}")

    asyncio.run(main())
