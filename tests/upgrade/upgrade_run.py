"""The two runs of an upgrade test: workers that roll to the next version and back, and registries that are replaced."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.support import later_fields
from tests.support.ledger_timeline import read_timelines
from tests.support.next_version import CODE
from tests.support.non_interference import interference
from tests.support.oracle import LedgerComparison, closed_sessions, compare_with_ledger, read_all
from tests.support.processes import wait_for
from tests.support.written_values import WrittenValues
from tests.upgrade.registries import ValuesOfRegistries
from tests.upgrade.rolling_workers import ENDLESS_CHAT, RollingWorkers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.processes import Simulator
    from tests.upgrade.program_version import ProgramVersion

_WORKERS: Final = (1, 2, 3)
_OPEN_THROUGHOUT: Final = 10
_SHORT: Final = 12
_CERTIFICATE_SECONDS: Final = 60
_OK: Final = 0
_NOT_ALL_READ: Final = 3
_BREAKAGES: Final = (AssertionError, OSError, subprocess.TimeoutExpired, LookupError)


@dataclass(slots=True, frozen=True)
class UpgradeSetting:
    """What both runs share. `changed`: the next version was made by the test, with fields and a code of its own."""

    bootstrap_servers: str
    folder: Path
    former: ProgramVersion
    following: ProgramVersion
    changed: bool
    seed: int
    log: Callable[[str], None]


@dataclass(slots=True)
class UpgradeOutcome:
    """The result of a run called `name`: nothing failed when there are no `problems`."""

    name: str
    comparison: LedgerComparison = field(default_factory=LedgerComparison)
    problems: list[str] = field(default_factory=list)


def roll_there_and_back(
    setting: UpgradeSetting, rolling: RollingWorkers, registry: str, seconds: float
) -> UpgradeOutcome:
    """Roll three workers to the next version and back, once at least and again until the time is over."""
    outcome, log = UpgradeOutcome("upgrade and return"), setting.log
    values = WrittenValues(registry, setting.former.schemas, setting.following.schemas)
    try:
        deadline = time.monotonic() + seconds
        for number in _WORKERS:
            rolling.start(number, setting.former, registry)
        rolling.wait_green()
        open_throughout = _start_chats(rolling, setting.seed)
        rolling.start_server(
            "short-chats", seed=setting.seed + 1, events_per_second=40, concurrent_chats=_SHORT, mean_events=120
        )
        rolling.wait_green()
        log(f"three workers of {setting.former.name}, {_OPEN_THROUGHOUT} chats that stay open, {_SHORT} short ones")
        again = True
        while again:
            rolling.roll(setting.following, registry)
            rolling.drop_links(open_throughout)  # not those of chats that may end meanwhile
            rolling.roll(setting.former, registry)
            again = time.monotonic() < deadline
        _finish(rolling, values, outcome)
        _check_verify(setting, outcome, rolling.prefix, registry, allowed=_OK)
        if setting.changed:
            _check_changes(setting, outcome, rolling.prefix, values)
    except _BREAKAGES as error:
        outcome.problems.append(f"{outcome.name}: {type(error).__name__}: {error}")
    return outcome


def _start_chats(rolling: RollingWorkers, seed: int) -> Simulator:
    """Start and return the Chat Server whose chats stay open until the end."""
    flags = {"events_per_second": 40, "concurrent_chats": _OPEN_THROUGHOUT, "mean_events": ENDLESS_CHAT}
    return rolling.start_server("open-throughout", seed=seed, **flags)


def replace_registries(setting: UpgradeSetting, rolling: RollingWorkers, registries: list[str]) -> UpgradeOutcome:
    """Start with the first registry, go on with one that has other ids, then with none; each with another version."""
    outcome, log = UpgradeOutcome("registry replaced"), setting.log
    values = ValuesOfRegistries(registries, setting.former.schemas, setting.following.schemas)
    stages = (
        (setting.former, registries[0], "with a registry"),
        (setting.following, registries[1], "with a registry that has other ids"),
        (setting.former, None, "without a registry"),
    )
    try:
        for version, registry, how in stages:
            begun = time.monotonic()
            rolling.stop(*rolling.workers)
            for number in _WORKERS[:2]:
                rolling.start(number, version, registry)
            rolling.wait_green()
            if not rolling.servers:
                _start_chats(rolling, setting.seed)
                rolling.wait_green()
            log(f"two workers of {version.name} {how}: all chats followed after {time.monotonic() - begun:.1f} s")
        _finish(rolling, values, outcome)
        for registry in (registries[1], None):
            _check_verify(setting, outcome, rolling.prefix, registry, allowed=_NOT_ALL_READ)
    except _BREAKAGES as error:
        outcome.problems.append(f"{outcome.name}: {type(error).__name__}: {error}")
    return outcome


def _finish(rolling: RollingWorkers, values: WrittenValues, outcome: UpgradeOutcome) -> None:
    """End the chats and the workers, and compare what is on Kafka with the ledgers.

    A chat that ends in the moment in which its shard moves may lack its last events, with a GAP that says so: nobody
    can ask for them any more. Of the chats of the first Chat Server, which end after the last move, nothing may lack.
    """
    summaries = rolling.finish()
    ledgers = [server.ledger for server in rolling.servers]
    expected = {name for ledger in ledgers for name, one in read_timelines(ledger).items() if one.closed_at is not None}

    def certified() -> bool:
        return not expected - closed_sessions(rolling.bootstrap_servers, rolling.prefix, values).keys()

    with suppress(AssertionError):  # the comparison says which have no certificate
        wait_for(certified, _CERTIFICATE_SECONDS, "some chats have no certificate", 1)
    rolling.stop(*rolling.workers)
    compared = compare_with_ledger(rolling.bootstrap_servers, rolling.prefix, *ledgers, values=values)
    outcome.comparison = compared
    if not compared.clean:
        outcome.problems.append(str(compared))
    throughout = read_timelines(rolling.servers[0].ledger)
    missing = [name for name in compared.explained if name.rpartition(":")[0] in throughout]
    if missing:
        outcome.problems.append(f"missing, though recorded as such: {missing[:10]}")
    if compared.amendments:
        outcome.problems.append(f"{compared.amendments} amendments, although no chat was changed")
    journals = sorted(rolling.folder.glob(f"{rolling.prefix}*.journal"))
    outcome.problems += sorted(set(interference(summaries, journals)))


def _check_verify(
    setting: UpgradeSetting, outcome: UpgradeOutcome, prefix: str, registry: str | None, *, allowed: int
) -> None:
    """Let `verify` of both versions read the topics; no record may be called broken by either."""
    for version in (setting.former, setting.following):
        code, said = version.verify(setting.bootstrap_servers, prefix, registry)
        setting.log(f"verify of {version.name}: exit code {code}: {said.splitlines()[-1] if said else ''}")
        if code != allowed or "BROKEN" in said:
            outcome.problems.append(f"verify of {version.name} ends with {code}: {said[-500:]}")


def _check_changes(setting: UpgradeSetting, outcome: UpgradeOutcome, prefix: str, values: WrittenValues) -> None:
    """Check that the next version wrote what is new in it: without that, nothing was tested."""
    kafka = setting.bootstrap_servers
    for kind, name in (("transcript.events", "TranscriptEvent"), ("transcript.sessions", "SessionRecord")):
        records = [values.written(value) for _, _, value in read_all(kafka, f"{prefix}chat.{kind}.v1")]
        later = sum(record.get(later_fields.FIELD) == later_fields.VALUE for record in records)
        setting.log(f"{len(records)} {name}s, {later} of them with a field that {setting.former.name} does not know")
        if not 0 < later < len(records):
            outcome.problems.append(f"not both versions wrote {name}s: {later} of {len(records)} have the new field")
    codes = outcome.comparison.gaps
    certificates: list[dict[str, Any]] = [
        record["certificate"] for record in closed_sessions(kafka, prefix, values).values()
    ]
    passed_on = sum(CODE in certificate["reasons"] for certificate in certificates)
    setting.log(f"GAPs by code {dict(codes)}; {passed_on} certificates with the code of {setting.following.name}")
    if not codes[CODE] or not passed_on:
        outcome.problems.append(f"no GAP or no certificate with the code {CODE}")
