"""What outputs cost: CPU of the bridge process per event, from Chat Server to Kafka, beside one output in the same run.

The variants take turns, so that what else runs on the machine meets all of them; one comes twice (A/A).
"""

from __future__ import annotations

import json
import secrets
import statistics
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_RULES: Final = json.dumps(
    [
        {"name": "cards", "detector": "payment_card"},
        {"name": "ibans", "detector": "iban"},
        {"name": "mail", "detector": "email"},
        {"name": "phones", "detector": "phone"},
        {"name": "customer", "attribute": "*EmailAddress", "action": "drop"},
    ]
)
_ORIGINAL: Final[dict[str, object]] = {"name": "default", "rules": []}


@dataclass(slots=True, frozen=True)
class OutputsVariant:
    """What is measured: outputs of the settings, and by how much they may cost more than the first variant."""

    name: str
    outputs: tuple[dict[str, object], ...]
    target: float | None = None

    def settings(self, prefix: str, master: Path) -> dict[str, object]:
        """Return the settings of the bridge; its topics begin with `prefix`, and `master` is the master key's file."""
        first, *others = self.outputs
        outputs = [first, *({**one, "topic_prefix": f"{prefix}{one['name']}."} for one in others)]
        sealing = {"sealing__master_key_file": master} if any(one.get("sealed") for one in outputs) else {}
        return {"privacy__rules": _RULES, "outputs": json.dumps(outputs), **sealing}


VARIANTS: Final = (
    OutputsVariant("one output", (_ORIGINAL,)),
    OutputsVariant("one output again (A/A)", (_ORIGINAL,)),
    OutputsVariant("and a masked one", (_ORIGINAL, {"name": "masked"}), 1.7),
    OutputsVariant("one output, sealed", ({**_ORIGINAL, "sealed": True},), 1.3),
)


def outputs_costs(
    run: Callable[[Callable[[str], Mapping[str, object]]], float], repeats: int, folder: Path
) -> list[str]:
    """Return the lines of the report. `run` runs a bridge with settings, which depend on a prefix of topics.

    It returns CPU us per event. `folder` gets a master key.
    """
    master = folder / "master.key"
    master.write_text(secrets.token_hex(32), "utf-8")
    found: dict[str, list[float]] = {one.name: [] for one in VARIANTS}
    for _ in range(repeats):
        for one in VARIANTS:
            found[one.name].append(run(partial(one.settings, master=master)))
    base = found[VARIANTS[0].name]
    lines = []
    for one in VARIANTS:
        values = found[one.name]
        median = statistics.median(values)
        # Of neighbours in time, so that what else the machine does is the same for both.
        ratio = statistics.median(own / first for own, first in zip(values, base, strict=True))
        target = "" if one.target is None else f"  (target: at most {one.target})"
        spread = f"min {min(values):.1f}, max {max(values):.1f}, n={len(values)}"
        lines.append(f"  {one.name:<24} {median:6.1f} us per event ({spread}), {ratio:.2f} times{target}")
    return lines
