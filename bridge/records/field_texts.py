"""What changes the texts of a record before they are encoded: the rules of an output, and what seals them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bridge.records.redactor import Redaction
    from bridge.transcript.events import Items


class FieldTexts(Protocol):
    """Returns the text of each field as it is recorded, and appends to `done` what was redacted."""

    def text(self, where: str, text: str, done: list[Redaction]) -> str:
        """Return a text; `where` names its field."""

    def word(self, where: str, word: str | None, known: frozenset[str], done: list[Redaction]) -> str | None:
        """Return a word of the protocol as it is, and any other as `text` does."""

    def items(self, where: str, items: Items, done: list[Redaction]) -> tuple[dict[str, str], dict[str, str]]:
        """Return a KeyValueCollection as flat maps of values and types. Raises AttributesTooDeep."""

    def unknown(self, values: dict[str, str], done: list[Redaction]) -> dict[str, str]:
        """Return attributes that this version does not know."""
