"""`python -m tests.chaos --seconds N --seed S --report FILE`: exit code 0 when everything held."""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from bridge.errors import EXIT_SIGNAL_BASE
from tests.chaos.chaos_run import chats_with_defects, run
from tests.chaos.cluster import ChaosCluster
from tests.chaos.left_out_steps import LEFT_OUT_STEPS
from tests.chaos.plan import steps, zombies
from tests.chaos.report import render
from tests.deploy.deploy_tools import log_judge


def _log(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run once; on failure print the seed, the plan so far and the chats with defects, and keep the logs."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="duration of the faults, without recovery and comparison"
    )
    parser.add_argument("--seed", type=int, default=None, help="default: random")
    parser.add_argument("--brokers", type=int, default=1, choices=(1, 3), help="3: a killed one leaves no leader")
    parser.add_argument(
        "--transactions",
        default="worker",
        choices=("shard", "worker", "both"),
        help="kafka.transactions; both: the other value with each start of a worker",
    )
    parser.add_argument("--tls", action="store_true", help="workers and commands use TLS with client certificates")
    parser.add_argument(
        "--patience", type=float, default=1.0, help="wait so many times as long, on a machine with other work"
    )
    parser.add_argument(
        "--traced",
        action="store_true",
        help="workers write down what they ask Kafka for; the model of the hand-over must be able to do the same",
    )
    parser.add_argument("--zombies", action="store_true", help="only one kind of fault: workers that stand still")
    parser.add_argument(
        "--left-out",
        choices=LEFT_OUT_STEPS,
        metavar="STEP",
        help="have workers leave out a step of the hand-over (one of tests/chaos/left_out_steps.py): exit code 0 when "
        "Kafka's logs of the shards tell it, or their traces",
    )
    parser.add_argument("--stored", action="store_true", help="fill what is missing from the stored side at the end")
    parser.add_argument("--report", type=Path, default=None, help="Markdown")
    parser.add_argument("--logs", type=Path, default=None, help="folder to keep; default: kept on failure only")
    args = parser.parse_args()
    seed = random.randrange(1_000_000) if args.seed is None else args.seed
    folder = args.logs or Path(tempfile.mkdtemp(prefix="chatbridge-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    # End all child processes on SIGTERM and SIGINT; a background job of a shell would ignore Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_SIGNAL_BASE + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log_judge()  # an hour later would be too late to say that there is no Go to build it
    _log(f"seed {seed}, {args.seconds:g} s, logs in {folder}")
    kind = {
        "transactions": args.transactions,
        "tls": args.tls,
        "patience": args.patience,
        "left_out": args.left_out,
        "traced": args.traced,
    }
    plan = zombies(seed) if args.zombies else steps(seed, args.brokers)
    with ChaosCluster(folder, seed, brokers=args.brokers, **kind) as cluster:
        outcome = run(cluster, plan, args.seconds, args.brokers, _log, stored=args.stored)
    report = render(outcome)
    if args.report is not None:
        args.report.write_text(report, encoding="utf-8")
    _log(f"{outcome.comparison}\n\n{report}")
    if args.left_out is not None:
        found = {"the logs of the shards": outcome.writers.problems}
        if outcome.traces is not None:
            found["the traces"] = outcome.traces.problems
        for what, problems in found.items():
            _log(f"{args.left_out}: {f'told by {what}: {problems[0]}' if problems else f'NOT told by {what}'}")
        return 0 if any(found.values()) else 1
    if outcome.held:
        _log(f"seed {seed}: everything held")
        if args.logs is None:
            shutil.rmtree(folder)
        return 0
    _log(f"RED: seed {seed}; logs in {folder}")
    for name in chats_with_defects(outcome.comparison):
        _log(f"broken: {name}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
