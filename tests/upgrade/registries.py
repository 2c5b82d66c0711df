"""Two schema registries that give the same schema different ids, and values that were written with either."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from tests.support.written_values import CONFLUENT_BYTES, SINGLE_OBJECT, WrittenValues

if TYPE_CHECKING:
    from pathlib import Path

_USED_UP: Final = 30
"""More ids than the schemas of two versions need: the ids of the two registries are disjoint."""
_NOT_FOUND: Final = 404


def use_up_ids(url: str) -> None:
    """Register other schemas, so that those of the bridge get ids that they do not have in a new registry."""
    for size in range(1, _USED_UP + 1):
        body = json.dumps({"schema": json.dumps({"type": "fixed", "name": f"Other{size}", "size": size})}).encode()
        request = urllib.request.Request(f"{url}/subjects/other-{size}/versions", body, method="POST")
        request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()


class ValuesOfRegistries(WrittenValues):
    """Values with ids of several registries, each of which has higher ids than the one before it, or without one."""

    def __init__(self, registries: list[str], *folders: Path) -> None:
        super().__init__(None, *folders)
        self._others = [WrittenValues(registry) for registry in registries]

    def schema_of(self, value: bytes) -> Any:
        if value[:2] == SINGLE_OBJECT:
            return super().schema_of(value)
        for values in self._others:  # the first has none of the later ids
            try:
                return values.schema_of(value)
            except urllib.error.HTTPError as error:
                if error.code != _NOT_FOUND:
                    raise
        raise LookupError(f"schema {int.from_bytes(value[1:CONFLUENT_BYTES], 'big')} is in none of the registries")
