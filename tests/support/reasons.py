"""Reasons for what tests let happen to chats, whichever."""

from __future__ import annotations

from typing import Final

from bridge.errors import Problem

A_RESET: Final = Problem("RESET", "connection reset")
A_REFUSAL: Final = Problem("REFUSED", "join refused with error 1")
NO_JSON: Final = Problem("NOT_JSON", "JSON is malformed")
A_LARGE_RECORD: Final = Problem("TOO_LARGE", "a record of 2 bytes; 1 fit")
A_DEFECT: Final = Problem("INTERNAL", "a defect of the bridge (KeyError)")
