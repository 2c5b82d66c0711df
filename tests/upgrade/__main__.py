"""`python -m tests.upgrade --seconds S`: exit code 0 when an upgrade and its way back lost and changed nothing.

Version N is the commit in the file FORMER. N+1 is `--next tree`: the working tree as it is; or `--next changed`: the
working tree with a field more in each schema, another layout of fingerprints and a code more, made by the test. By
default it is the tree if that has other schemas than N, else the changed one. Exit code 3: N or the servers could not
be had.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.errors import EXIT_SIGNAL_BASE, EnvironmentFault
from bridge.sandbox import LocalBroker, LocalRegistry
from tests.released.released_folder import ROOT, ReleaseRefused
from tests.support.next_version import ReplacementFailed, make_next_tree
from tests.upgrade.former_version import (
    FORMER,
    former_commit,
    has_other_formats,
    make_former_tree,
    release_former,
    unknown_schemas,
)
from tests.upgrade.program_version import ProgramVersion
from tests.upgrade.registries import use_up_ids
from tests.upgrade.rolling_workers import RollingWorkers
from tests.upgrade.upgrade_run import UpgradeOutcome, UpgradeSetting, replace_registries, roll_there_and_back

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHANGED: Final = "changed"
TREE: Final = "tree"
_KNOWN_TO_FORMER: Final = {"kafka.transactions": "shard"}
"""N refuses the checkpoints of shards that have claims: docs/operating.md says to set this until all are N+1."""


def _log(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


def versions(folder: Path, which: str | None) -> tuple[ProgramVersion, ProgramVersion, bool]:
    """Make N and N+1 in a folder; return both, and whether N+1 is the one that the test changed.

    Raises EnvironmentFault, ReplacementFailed.
    """
    commit = former_commit(FORMER.read_text(encoding="utf-8"))
    former = ProgramVersion("N", folder / "former")
    make_former_tree(commit, former.tree)
    changed = which == CHANGED or (which is None and not has_other_formats(former.tree, ROOT))
    if changed:
        following = ProgramVersion("N+1", folder / "next", _KNOWN_TO_FORMER)
        make_next_tree(following.tree)
        release_former(former.tree, following.tree)
    else:
        following = ProgramVersion("N+1", ROOT, _KNOWN_TO_FORMER)
        if unknown := unknown_schemas(former.tree, following.tree):
            raise EnvironmentFault(
                f"{unknown[0]} as commit {commit} has it is not in schemas/released",
                next_step="check out that commit, run `make freeze`, and commit what it added",
            )
    for version in (former, following):
        version.check()
    _log(f"N is {commit}, N+1 the working tree {'changed by the test' if changed else 'as it is'}")
    return former, following, changed


def _start(servers: Sequence[LocalBroker | LocalRegistry], stack: ExitStack) -> None:
    """Start the servers beside each other; they end with the stack. Raises EnvironmentFault."""
    for server in servers:
        stack.callback(server.stop)
    with ThreadPoolExecutor() as pool:
        starts: list[Callable[[], None]] = [server.start for server in servers]
        for started in [pool.submit(start) for start in starts]:
            started.result()


def _run(folder: Path, args: argparse.Namespace) -> list[UpgradeOutcome]:
    former, following, changed = versions(folder, args.next)
    broker, registries = LocalBroker(), [LocalRegistry(), LocalRegistry()]
    with ExitStack() as stack:
        _start([broker, *registries], stack)
        use_up_ids(registries[1].url)
        _log("Kafka and two registries are up")
        setting = UpgradeSetting(
            broker.bootstrap_servers, folder, former, following, changed=changed, seed=args.seed, log=_log
        )
        one, other = (registry.url for registry in registries)
        pool = ThreadPoolExecutor()
        stack.callback(pool.shutdown)  # after the workers and Chat Servers were ended, without which a run fails
        rolling, replaced = (
            stack.enter_context(RollingWorkers(broker.bootstrap_servers, folder, prefix, _log))
            for prefix in ("roll.", "registry.")
        )
        runs = [
            pool.submit(roll_there_and_back, setting, rolling, one, args.seconds),
            pool.submit(replace_registries, setting, replaced, [one, other]),
        ]
        return [run.result() for run in runs]


def main() -> int:
    """Run once; on failure print what failed, and keep the logs."""
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=300.0, help="duration of the load; at least there and back once"
    )
    parser.add_argument(
        "--next", choices=(CHANGED, TREE), help=f"default: {TREE} if it has other schemas than N, else {CHANGED}"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the simulated chats")
    parser.add_argument("--logs", type=Path, default=None, help="folder to keep; default: kept on failure only")
    args = parser.parse_args()
    folder = args.logs or Path(tempfile.mkdtemp(prefix="chatbridge-upgrade-"))
    folder.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_SIGNAL_BASE + signal.SIGTERM))  # with all child processes
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        outcomes = _run(folder, args)
    except EnvironmentFault as error:
        sys.stderr.write(f"{error.message}\nnext step: {error.next_step}\n")
        return error.exit_code
    except (ReplacementFailed, ReleaseRefused) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for outcome in outcomes:
        _log(f"{outcome.name}: {outcome.comparison}")
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    if problems:
        _log(f"RED: logs in {folder}")
        for problem in problems:
            _log(f"  {problem}")
        return 1
    _log("everything held: chats that stayed open lack nothing, and none lacks anything without a record of it;")
    _log("nothing is doubled, reordered or amended, and no version calls a record of the other one broken")
    if args.logs is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
