"""Whether a record still holds text of people in clear. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.sealing.chat_seal import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAPS: Final = ("userData", "eventAttributes", "unknownAttributes")


def event_in_clear(record: Mapping[str, Any]) -> bool:
    """Tell whether a TranscriptEvent has a text that is not sealed: of a message, notice, nickname or attribute.

    What rules have masked counts as text: how much of it they left, only they know.
    """
    return any(text and not text.startswith(PREFIX) for text in _texts(record))


def quarantined_in_clear(record: Mapping[str, Any]) -> bool:
    """Tell whether a QuarantinedInput has bytes that are not sealed."""
    return bool(record["bytes"]) and not record["bytes"].startswith(PREFIX.encode())


def _texts(record: Mapping[str, Any]) -> Iterator[str | None]:
    for part, field in (("message", "text"), ("notice", "text"), ("party", "nickname"), ("file", "name")):
        if record[part] is not None:
            yield record[part][field]
    for name in _MAPS:
        yield from record[name].values()
