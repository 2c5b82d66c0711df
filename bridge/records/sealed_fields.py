"""The texts of one chat's records in an output that is sealed: redacted first, and then sealed.

Whatever rules reach is sealed: texts, nicknames, values of attributes, and words that are not the protocol's. Names of
attributes are not. What was derived from a text before, such as a number, is as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.sealing.opened_records import TYPES, sequence_of
from bridge.transcript.events import TYPE_WORDS

if TYPE_CHECKING:
    from bridge.records.field_texts import FieldTexts
    from bridge.records.redactor import Redaction
    from bridge.sealing.chat_seal import ChatSeal
    from bridge.sealing.data_keys import DataKeys
    from bridge.transcript.events import Items


class SealedFields:
    """The FieldTexts of one chat. `sequence` is the number of the record that is being made."""

    __slots__ = ("_keys", "_redactor", "_seal", "_session_id", "sequence")

    def __init__(self, session_id: str, redactor: FieldTexts, keys: DataKeys) -> None:
        """The chat gets its key with the first text."""
        self.sequence = 0
        self._session_id = session_id
        self._redactor = redactor
        self._keys = keys
        self._seal: ChatSeal | None = None

    def begin(self) -> ChatSeal:
        """Return the seal of the chat, which has a key from now on."""
        if self._seal is None:
            self._seal = self._keys.seal_of(self._session_id)
        return self._seal

    def text(self, where: str, text: str, done: list[Redaction]) -> str:
        """Return a text redacted and sealed."""
        return self.sealed(where, self._redactor.text(where, text, done))

    def word(self, where: str, word: str | None, known: frozenset[str], done: list[Redaction]) -> str | None:
        """Return a word of the protocol as it is, and any other as `text` does."""
        return word if word is None or word in known else self.text(where, word, done)

    def items(self, where: str, items: Items, done: list[Redaction]) -> tuple[dict[str, str], dict[str, str]]:
        """Return flat maps of values, which `values` seals, and of types, sealed unless they are the protocol's."""
        values, types = self._redactor.items(where, items, done)
        for path, word in types.items():
            if word not in TYPE_WORDS:
                types[path] = self.sealed(f"{where}{TYPES}.{path}", word)
        return values, types

    def values(self, where: str, values: dict[str, str]) -> dict[str, str]:
        """Return a flat map of values, redacted already, with sealed ones."""
        return {path: self.sealed(f"{where}.{path}", value) for path, value in values.items()}

    def unknown(self, values: dict[str, str], done: list[Redaction]) -> dict[str, str]:
        """Return attributes that this version does not know, sealed."""
        return self.values("unknownAttributes", self._redactor.unknown(values, done))

    def sealed(self, field: str, text: str) -> str:
        """Return a text that is redacted already, sealed."""
        seal = self._seal or self.begin()
        return seal.seal(field, sequence_of(field, self.sequence), text)
