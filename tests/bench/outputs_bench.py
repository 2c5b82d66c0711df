"""What outputs cost: CPU of the bridge process per event, from Chat Server to Kafka, beside one output in the same run.

The variants take turns, and turns to be the first, so that what else runs on the machine meets all of them. One comes
twice (A/A); the others are compared with the mean of those two of the same round.
"""

from __future__ import annotations

import json
import secrets
import statistics
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from bridge.records.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

RULES: Final = (
    Rule("cards", detector="payment_card"),
    Rule("ibans", detector="iban"),
    Rule("mail", detector="email"),
    Rule("phones", detector="phone"),
    Rule("customer", attribute="*EmailAddress", action="drop"),
)
"""Those of the masked output."""
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
        return {
            "privacy__rules": json.dumps([_settings_of(one) for one in RULES]),
            "outputs": json.dumps(outputs),
            **sealing,
        }


VARIANTS: Final = (
    OutputsVariant("one output", (_ORIGINAL,)),
    OutputsVariant("one output again (A/A)", (_ORIGINAL,)),
    OutputsVariant("and a masked one", (_ORIGINAL, {"name": "masked"}), 1.7),
    OutputsVariant("one output, sealed", ({**_ORIGINAL, "sealed": True},), 1.3),
)


def _settings_of(rule: Rule) -> dict[str, object]:
    given = {"attribute": rule.attribute, "detector": rule.detector}
    return {"name": rule.name, "action": rule.action, **{name: value for name, value in given.items() if value}}


def outputs_costs(
    run: Callable[[Callable[[str], Mapping[str, object]]], float],
    repeats: int,
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Print the report with `say`. `run` runs a bridge with settings, which depend on a prefix of topics.

    It returns CPU us per event. `folder` gets a master key.
    """
    master = folder / "master.key"
    master.write_text(secrets.token_hex(32), "utf-8")
    run(partial(VARIANTS[0].settings, master=master))  # the first one after the broker's start costs more
    found: dict[str, list[float]] = {one.name: [] for one in VARIANTS}
    for number in range(repeats):
        turn = number % len(VARIANTS)
        for one in (*VARIANTS[turn:], *VARIANTS[:turn]):
            found[one.name].append(run(partial(one.settings, master=master)))
        say(f"  round {number + 1}: " + ", ".join(f"{name} {values[-1]:.1f} us" for name, values in found.items()))
    first, again = (found[one.name] for one in VARIANTS[:2])
    base = [(one + other) / 2 for one, other in zip(first, again, strict=True)]
    for one in VARIANTS:
        values, beside = found[one.name], first if one is VARIANTS[1] else base
        ratios = [own / usual for own, usual in zip(values, beside, strict=True)]
        target = "" if one.target is None else f"; target: at most {one.target}"
        say(
            f"  {one.name:<24} {statistics.median(values):6.1f} us per event (min {min(values):.1f}, max "
            f"{max(values):.1f}, n={len(values)}), {statistics.median(ratios):.2f} times (min {min(ratios):.2f}, max "
            f"{max(ratios):.2f}{target})"
        )
