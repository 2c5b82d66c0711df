"""Reads values of the topics with the schema that wrote each (P7): a shipped one, or one of the settings' registry."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Self

from bridge.errors import RegistryRefused, RegistryUnavailable, SchemaUnknown, VerificationFailed
from bridge.records.payload_framing import unframe
from bridge.records.writer_schemas import MOST_LEARNT, WriterSchemas, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from bridge.adapters.schema_registry import RegistryConnection, SchemaRegistry
    from bridge.records.avro import Schemas, WriterSchema

_AGAIN_SECONDS: Final = 10.0
"""How long what the registry could not tell is not asked again; what it told is kept for ever."""

_OTHER_REGISTRY: Final = "ids are valid in one registry only: set schema_registry.url to the one that gave it"


class StoredValues:
    """Used as an async context manager. What was not known is asked of the registry again after some seconds."""

    def __init__(self, registry: RegistryConnection, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises EnvironmentFault when the shipped schemas are not all there. Nothing connects before it has to."""
        self._clock = clock
        self._writers = WriterSchemas.shipped()
        self._registry = _client_of(registry) if registry.urls else None
        self._failed: dict[int, tuple[float, SchemaUnknown]] = {}

    @property
    def schemas(self) -> Schemas:
        """Today's, as which values are read."""
        return self._writers.schemas

    async def __aenter__(self) -> Self:
        """Open the client of the registry."""
        if self._registry is not None:
            await self._registry.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._registry is not None:
            await self._registry.__aexit__(kind, error, trace)

    async def decode(self, name: str, value: bytes) -> dict[str, Any]:
        """Return a value of a topic as a record of today's schema `name`.

        Raises VerificationFailed when it is damaged, SchemaUnknown when what wrote it is not known.
        """
        writer, payload = unframe(value)
        return self.schemas.decode(name, payload, await self.written(name, writer))

    async def written(self, name: str, writer: int | bytes) -> WriterSchema:
        """Return the schema that the header of a value of type `name` names. Raises SchemaUnknown."""
        if isinstance(writer, bytes) or self._registry is None:
            return self._writers.of(writer)
        try:
            known = self._writers.of(writer)
        except SchemaUnknown:
            await self._ask(self._registry, writer)
            known = self._writers.of(writer)
        if known.name != name:
            raise SchemaUnknown(
                f"schema {shown(writer)} is not known: the registry has {known.name} under this id",
                next_step=_OTHER_REGISTRY,
            )
        return known

    async def _ask(self, registry: SchemaRegistry, schema_id: int) -> None:
        at, failed = self._failed.get(schema_id, (0.0, None))
        if failed is not None and self._clock() < at + _AGAIN_SECONDS:
            raise failed
        try:
            await self._fetch(registry, schema_id)
        except SchemaUnknown as error:
            if len(self._failed) >= MOST_LEARNT:
                self._failed.clear()
            self._failed[schema_id] = self._clock(), error
            raise

    async def _fetch(self, registry: SchemaRegistry, schema_id: int) -> None:
        try:
            text = await registry.schema(schema_id)
            if text is not None:
                self._writers.learn(schema_id, text)
                return
        except (RegistryUnavailable, RegistryRefused, VerificationFailed) as error:
            what = f"schema {shown(schema_id)} is not known: {error.message}"
            raise SchemaUnknown(what, next_step=error.next_step) from error
        raise SchemaUnknown(
            f"schema {shown(schema_id)} is not known: the registry has no such id",
            next_step=_OTHER_REGISTRY,
        )


def _client_of(registry: RegistryConnection) -> SchemaRegistry:
    # The client of HTTP takes long to import.
    from bridge.adapters.schema_registry import SchemaRegistry  # noqa: PLC0415

    return SchemaRegistry.from_settings(registry)
