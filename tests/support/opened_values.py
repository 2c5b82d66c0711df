"""Values of topics, those of a sealed output in clear: opened with the master key and the keys on their topic."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bridge.adapters.sealing.file_wrapper import FileWrapper
from bridge.sealing.chat_seal import ChatSeal
from bridge.sealing.data_keys import parsed_key_record
from bridge.sealing.opened_records import opened_event
from tests.support.written_values import WrittenValues

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class OpenedValues(WrittenValues):
    """Reads events in clear; whatever else is sealed stays so."""

    def __init__(self, master: Path, keys: Mapping[str, bytes]) -> None:
        """`master` is the file of the master key, `keys` are the values of the topic of keys by session id."""
        super().__init__()
        wrapped = [parsed_key_record(name, value) for name, value in keys.items()]
        data_keys = asyncio.run(FileWrapper(str(master), ()).unwrap(wrapped))
        self._seals = {one.name: ChatSeal(one.name, key) for one, key in zip(wrapped, data_keys, strict=True)}

    def read(self, name: str, value: bytes) -> dict[str, Any]:
        """Return a value as a record of today's type `name`, an event in clear."""
        record = super().read(name, value)
        return opened_event(record, self._seals[record["sessionId"]]) if name == "TranscriptEvent" else record
