"""The stored transcripts of a UCS database and of its archive, as chats to be sent and to be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.commands import ucs_options
from bridge.commands.archived_chats import ArchivedChat, ArchivedCopy, Refusal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from bridge.archive.repairs import TranscriptRepair
    from bridge.commands.archived_chats import Refuse
    from bridge.sources.ucs.interaction_rows import InteractionRow


class ArchivedRows:
    """Reads the databases that the options name; `refuse` is told of each row that gives nothing.

    `lacking` takes the rows that are not over or have no text, with their places; without it, a line says so.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        refuse: Refuse,
        *,
        strict: bool = False,
        lacking: Callable[[str, InteractionRow], None] | None = None,
    ) -> None:
        """Connect. Raises UsageError and EnvironmentFault as `ucs_options.rows_of`."""
        self._refuse = refuse
        self._repairs: dict[str, int] = {}
        self._rows = ucs_options.rows_of(
            args, strict=strict, refused=self._refused, mended=self._mended, lacking=lacking
        )

    def each(self, since: datetime) -> Iterator[ArchivedChat]:
        """Yield the chats that are over, have a transcript, and started at `since` (UTC, without a zone) or later."""
        for chat in self._rows.chats(since):
            found = ArchivedChat(chat.session_id)
            for place, text, document in zip(chat.places, chat.texts, chat.copies, strict=True):
                found.copies.append(ArchivedCopy(place, text, [document], self._repairs.get(place, 0)))
            self._repairs.clear()
            yield found

    def _mended(self, place: str, repairs: list[TranscriptRepair]) -> None:
        self._repairs[place] = len(repairs)

    def _refused(self, place: str, line: str) -> None:
        code = line.removeprefix(place).partition(": ")[2].partition(":")[0]
        self._refuse(Refusal(place, place.rpartition("#")[2], code, line))
