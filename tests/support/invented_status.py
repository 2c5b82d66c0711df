"""What a worker that does not exist says on its status page: three workers, two servers, invented names and chats."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.capture.ports import PlaceUse
from bridge.overview.chat_list import GIVEN_UP, JOINED, OVER, WAITING, ChatQuery, page_of
from bridge.overview.health_summary import health_of
from bridge.overview.recent_problems import RecentProblems
from bridge.overview.sample_history import SPAN_SECONDS, STEP_SECONDS, Levels, SampleHistory
from bridge.overview.server_list import servers_of
from bridge.overview.shard_owners import OPEN, STABLE, GroupView, OwnShard, ShardOwner, shards_of
from bridge.overview.worker_report import ChatView, Identity, LastError, StatusReport
from bridge.status_reports import NEXT_STEPS

if TYPE_CHECKING:
    from bridge.errors import Problem

NOW = 1_786_000_000_000
"""In ms since 1970 UTC."""
SERVERS = ("chat-a.example:4800", "chat-b.example:4800")
PARTITIONS = 12
_THIS = ShardOwner("chatbridge-0", "chatbridge-0.example")
_OTHERS = (ShardOwner("chatbridge-1", "chatbridge-1.example"), ShardOwner("chatbridge-2", "chatbridge-2.example"))


def invented_chats(number: int, *, joined: bool = True) -> list[ChatView]:
    """Return chats of all states, of ages up to an hour; with `joined` false none is joined."""
    rng = random.Random(7)
    found = []
    for at in range(number):
        state = JOINED if joined else WAITING
        if joined and at % 50 in {7, 31}:
            state = WAITING
        elif at % 90 == 40:
            state = GIVEN_UP
        elif joined and at % 60 == 20:
            state = OVER
        found.append(
            ChatView(
                session_id=f"0001Ja{rng.getrandbits(40):010X}",
                shard=at % 4,
                state=state,
                server=SERVERS[at % 3 == 0],
                started_at=None if state == WAITING and at % 4 == 3 else NOW - rng.randrange(5_000, 3_600_000),
                records=0 if state == WAITING else rng.randrange(2, 90),
                gaps=1 + at % 2 if at % 45 == 40 else 0,
            )
        )
    return found


def invented_history(levels: Levels) -> SampleHistory:
    """Return a quarter of an hour with a wave of load and one slow minute."""
    rng, history = random.Random(3), SampleHistory(0.0)
    steps = int(SPAN_SECONDS / STEP_SECONDS)
    for step in range(steps):
        slow = 70 <= step < 82
        for _ in range(12):
            seconds = rng.lognormvariate(-4.3, 0.35) * (9 if slow else 1)
            history.tally.committed(round(18 + 7 * math.sin(step / 17) + rng.random() * 4), seconds)
        history.tally.rejoins += 6 if step == 75 else 0
        history.tally.gaps += 1 if step in {76, 121} else 0
        history.tally.quarantined += 1 if step == 40 else 0
        history.sample(
            (step + 1) * STEP_SECONDS,
            Levels(
                oldest_uncommitted=0.05 + rng.random() * 0.1 + (2.5 if slow else 0.0),
                joined=max(levels.joined + round(6 * math.sin(step / 30)), 0),
                waiting=levels.waiting + (6 if slow else 0),
                given_up=levels.given_up,
                over=levels.over,
            ),
        )
    return history


@dataclass
class InventedReports:
    """A `ReportSource`. What a test changes shows in the next report."""

    chats: list[ChatView] = field(default_factory=lambda: invented_chats(240))
    reasons: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    group: GroupView = field(
        default_factory=lambda: GroupView(
            state=STABLE, owners={shard: _OTHERS[shard % 2] for shard in range(4, PARTITIONS)}, at=0.0
        )
    )
    asked: list[ChatQuery] = field(default_factory=list)

    async def report(self, query: ChatQuery) -> StatusReport:
        self.asked.append(query)
        counts = {state: sum(one.state == state for one in self.chats) for state in (JOINED, WAITING, GIVEN_UP, OVER)}
        levels = Levels(
            oldest_uncommitted=0.084,
            joined=counts[JOINED],
            waiting=counts[WAITING],
            given_up=counts[GIVEN_UP],
            over=counts[OVER],
        )
        history = invented_history(levels)
        figures = history.figures(levels)
        own = {shard: OwnShard(OPEN, sum(one.shard == shard for one in self.chats)) for shard in range(4)}
        shards = shards_of(PARTITIONS, own, _THIS, self.group, 9.0)
        uses = {
            server: PlaceUse(
                links=3,
                joined=sum(one.state == JOINED and one.server == server for one in self.chats),
                waiting=sum(one.state == WAITING and one.server == server for one in self.chats),
                versions={105},
            )
            for server in SERVERS
        }
        problems = RecentProblems()
        problems.happened("TOO_LONG", "quarantined", NOW - 700_000)
        for _ in range(6):
            problems.happened("CLOSED", f"link lost: {SERVERS[1]}, connection closed by the server", NOW - 520_000)
        problems.happened("HISTORY_CUT", "gap recorded", NOW - 510_000)
        problems.reasons(self.reasons, NOW - 40_000)
        return StatusReport(
            now=NOW,
            health=health_of(self.reasons, self.warnings, figures, shards, NEXT_STEPS),
            identity=Identity(
                version="0.2.0",
                worker=_THIS.worker,
                host=_THIS.host,
                group="chatbridge",
                site="north",
                started_at=NOW - 187_000_000,
                uptime_seconds=187_000.0,
                declared_client_version=106,
                client_versions=[105],
            ),
            figures=figures,
            history=history.points(),
            shards=shards,
            servers=servers_of(
                uses, {SERVERS[1]: LastError(at=NOW - 520_000, code="CLOSED", detail="closed by the server")}
            ),
            chats=page_of(self.chats, query),
            problems=problems.listed(),
        )
