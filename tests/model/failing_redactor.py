"""A redactor with a defect, which one text triggers."""

from __future__ import annotations

from bridge.records.redactor import Redaction, Redactor
from tests.model.true_chat import DEFECT


class FailingRedactor(Redactor):
    """Stands for any defect in what is done with an event."""

    def text(self, where: str, text: str, done: list[Redaction]) -> str:
        if text == DEFECT:
            raise ZeroDivisionError
        return super().text(where, text, done)
