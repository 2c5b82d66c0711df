"""Quarantined input whose parts lie one after the other on a partition, put together again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.errors import VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class CollectedInput:
    """The parts of one input, decoded records in order. `where` is the place of the first one that was found."""

    where: str
    found: list[dict[str, Any]] = field(default_factory=list)

    @property
    def session_id(self) -> str | None:
        """Its chat, if it names one."""
        named: str | None = self.found[0]["sessionId"]
        return named

    def whole(self) -> bytes:
        """Return the bytes of all parts. Raises VerificationFailed when one is missing."""
        if [one["part"] for one in self.found] != list(range(1, self.found[0]["parts"] + 1)):
            raise VerificationFailed("a part is missing")
        return b"".join(one["bytes"] for one in self.found)

    def is_followed_by(self, record: dict[str, Any]) -> bool:
        """Tell whether a record is the next part."""
        last = self.found[-1]
        same = all(last[name] == record[name] for name in ("source", "sessionId", "observedAt", "parts"))
        return same and record["part"] == last["part"] + 1


class InputParts:
    """`take` each record of the topic in order, then the `rest`: both yield inputs, whole or not."""

    def __init__(self) -> None:
        """Begin with none."""
        self._begun: dict[int, CollectedInput] = {}

    def take(self, partition: int, where: str, record: dict[str, Any]) -> Iterator[CollectedInput]:
        """Yield the input that this record completes, before it one that gets no more parts."""
        begun = self._begun.pop(partition, None)
        if begun is not None and not begun.is_followed_by(record):
            yield begun
            begun = None
        begun = begun or CollectedInput(where)
        begun.found.append(record)
        if record["part"] == record["parts"]:
            yield begun
        else:
            self._begun[partition] = begun

    def rest(self) -> Iterator[tuple[int, CollectedInput]]:
        """Yield what has begun and got no more parts, with its partition."""
        yield from self._begun.items()
