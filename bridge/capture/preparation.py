"""The second step of a commit when nothing has to be done to records before they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.capture.ports import Batch


class NothingToPrepare:
    """Leaves records as they are."""

    async def prepare(self, batch: Batch) -> None:
        """Do nothing."""

    def committed(self, batch: Batch) -> None:
        """Do nothing."""
