"""CPU per event of the pure part, from an update to encoded records and checkpoints, on both forms of the core.

The inputs are those of the benchmark `evidence`, and the same with a transaction for each event, as in a shard that has
little to do. Each form runs in processes of its own that take turns, Python twice
(A/A); what reads the source, compresses and sends is left out. `python -m tests.bench.core_costs` is one such process.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.capture.session_store import SessionStore
from bridge.capture.session_store_settings import SessionStoreSettings
from bridge.core_form import core_form
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor
from bridge.records.writer_schemas import WriterSchemas
from tests.bench.evidence_costs import AT_A_TIME, CHATS, EVENTS, GROUP, steps
from tests.capture.written_topics import output, written_to
from tests.packaging.compiled_environment import CompiledEnvironment
from tests.packaging.published_files import ROOT

if TYPE_CHECKING:
    from bridge.capture.inbox import Input

ROUNDS: Final = 15
ROUNDS_OF_A_PROCESS: Final = 8
"""The first one of them is not counted."""
_INPUTS: Final = (
    (f"{AT_A_TIME} events of {GROUP} chats at a time", (AT_A_TIME, GROUP)),
    ("one event at a time", (1, 1)),
)
"""What is folded: its name, and how many events of how many chats a transaction has."""
_NOW: Final = 1_700_000_000_000_000


def seconds(writers: WriterSchemas, inputs: list[list[Input]]) -> float:
    """Return the CPU time of folding the inputs once, in a store of their own."""
    own = output(Recording(writers.schemas, Redactor()), bytes(5))
    settings = SessionStoreSettings(**written_to(own), writers=writers, partition_of=lambda _: 0, owner=2**62 + 12345)
    store, now = SessionStore(0, settings), _NOW
    started = time.process_time()
    for each in inputs:
        now += 100_000
        store.fold(each, now)
    return time.process_time() - started


def core_costs() -> None:
    """Build the compiled form, and print two lines for each form, with the ratio of neighbours in time."""
    with tempfile.TemporaryDirectory(prefix="chatbridge-bench-") as folder:
        environment = CompiledEnvironment(Path(folder))
        here, there = (Path(sys.executable), ROOT), (environment.python, environment.tree)
        forms = {"python": here, "python again (A/A)": here, "compiled": there}
        found: dict[str, list[list[float]]] = {name: [] for name in forms}
        for _ in range(ROUNDS):
            for name, (python, tree) in forms.items():
                words = [str(python), "-m", "tests.bench.core_costs"]
                said = subprocess.run(words, cwd=tree, check=True, capture_output=True, text=True).stdout.split()
                if said[0] != name.partition(" ")[0]:
                    raise RuntimeError(f"{name}: the core that was measured is the {said[0]} one")
                found[name].append([float(figure) for figure in said[1:]])
    print(f"core: CPU per event, {CHATS} chats of {EVENTS} events, {ROUNDS} processes of each form in turns")
    for at, (inputs, _) in enumerate(_INPUTS):
        print(f"  {inputs}")
        for name, measured in found.items():
            figures = [each[at] for each in measured]
            ratio = statistics.median(own / base[at] for own, base in zip(figures, found["python"], strict=True))
            middle, least, most = statistics.median(figures), min(figures), max(figures)
            print(f"    {name:20} {middle:6.1f} us ({least:.1f} to {most:.1f})  {ratio:.3f}")


if __name__ == "__main__":
    known, costs = WriterSchemas.shipped(), []
    for _, told in _INPUTS:
        transactions = steps(*told)
        each_round = [seconds(known, transactions) for _ in range(ROUNDS_OF_A_PROCESS)][1:]
        costs.append(statistics.median(each_round) / (CHATS * EVENTS) * 1e6)
    print(core_form(), *costs)
