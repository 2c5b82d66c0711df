"""Questions for the Go program in `judge`, and its answers."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.deploy.deploy_tools import log_judge
from tests.evidence.signing_keys import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Sequence

ACCEPTED: Final = "ok"
_SECONDS: Final = 60


@dataclass(slots=True, frozen=True)
class JudgeQuestion:
    """What the judge is asked: what `proves` says, about a note that one of the `keys` has to have signed."""

    proves: str
    keys: Sequence[str]
    note: bytes
    origin: str = ORIGIN
    leaf: bytes = b""
    index: int = 0
    inclusion: list[bytes] = field(default_factory=list)
    earlier: bytes = b""
    consistency: list[bytes] = field(default_factory=list)

    def line(self) -> str:
        """Return it as the judge reads it."""
        return json.dumps(
            {
                "proves": self.proves,
                "keys": list(self.keys),
                "note": _text(self.note),
                "origin": self.origin,
                "leaf": _text(self.leaf),
                "index": self.index,
                "inclusion": [_text(one) for one in self.inclusion],
                "earlier": _text(self.earlier),
                "consistency": [_text(one) for one in self.consistency],
            }
        )


def _text(value: bytes) -> str:
    return b64encode(value).decode()


def judged(questions: Sequence[JudgeQuestion]) -> list[str]:
    """Return the judge's answers, ACCEPTED or a reason, in the order of the questions."""
    asked = "".join(f"{one.line()}\n" for one in questions)
    done = subprocess.run([log_judge()], input=asked, capture_output=True, text=True, timeout=_SECONDS, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(questions)
    return answers
