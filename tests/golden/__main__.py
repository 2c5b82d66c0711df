"""`python -m tests.golden record`: play the stored input again and store what comes out; tell what changed.

For a change of formats that is meant: record, read the counts and the difference that are printed, and commit the
new files with the change that made them. A change that is not meant is mended in the program. The input is never
written here. `python -m tests.golden check` tells the same and stores nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import zip_longest
from typing import Any

from tests.golden import player, stored


def found() -> list[str]:
    """Return the output of the bridge as it is now, as lines."""
    steps = stored.steps()
    return [stored.line_of(name, output) for name in player.PASSES for output in player.play(name, steps)]


def rendered(facts: dict[str, Any]) -> str:
    """Return the text of the facts' file."""
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def changes(before: list[str], after: list[str]) -> list[str]:
    """Tell per topic how many outputs there were and are, and how many differ; then the first that does."""
    groups: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for side, lines in enumerate((before, after)):
        for line in lines:
            output = json.loads(line)
            groups.setdefault((output["pass"], output["topic"]), ([], []))[side].append(line)
    told = []
    for (name, topic), (old, new) in sorted(groups.items()):
        changed = sum(one != other for one, other in zip_longest(old, new))
        told.append(f"{name} {topic}: {len(old)} -> {len(new)}, {changed} changed")
    difference = stored.first_difference(before, after)
    return [*told, difference or "nothing changed"]


def main() -> int:
    """Exit code 1 when `check` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("action", choices=("record", "check"))
    action = parser.parse_args().action
    before = stored.read(stored.OUTPUT) if stored.OUTPUT.exists() else []
    after = found()
    sys.stdout.write("\n".join(changes(before, after)) + "\n")
    if action == "check":
        return int(before != after)
    if before != after:
        stored.write(stored.OUTPUT, after)
    stored.FACTS.write_text(rendered(stored.facts(after)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
