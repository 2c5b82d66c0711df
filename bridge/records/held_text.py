"""Whether a record still holds text of people in clear. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.sealing.chat_seal import are_sealed, may_be_opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAPS: Final = ("userData", "eventAttributes", "unknownAttributes")


def event_in_clear(record: Mapping[str, Any]) -> bool:
    """Tell whether a TranscriptEvent has a text that is not sealed: of a message, notice, nickname or attribute.

    What rules have masked counts as text: how much of it they left, only they know.
    """
    return any(text and not may_be_opened(text) for text in _texts(record))


class InputsInClear:
    """Tells of QuarantinedInputs, in the order of their topic, whether they have bytes that are not sealed.

    An input is sealed whole and then divided, so that its first part tells it of all.
    """

    def __init__(self) -> None:
        """Begin before the first record: what continues an input of before counts."""
        self._clear: dict[str | None, bool] = {}

    def __call__(self, record: Mapping[str, Any]) -> bool:
        """Take the next record, decoded."""
        chat = record["sessionId"]
        if record["part"] == 1:
            self._clear[chat] = bool(record["bytes"]) and not are_sealed(record["bytes"])
        return self._clear.get(chat, True)


def _texts(record: Mapping[str, Any]) -> Iterator[str | None]:
    for part, field in (("message", "text"), ("notice", "text"), ("party", "nickname"), ("file", "name")):
        if record[part] is not None:
            yield record[part][field]
    for name in _MAPS:
        yield from record[name].values()
