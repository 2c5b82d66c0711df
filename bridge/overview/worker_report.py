"""The answer of GET /v1/status: what the status page shows. No text of a chat, no nickname, no password has a field."""

from __future__ import annotations

import msgspec


class _ReportPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of the report; its fields are in camel case in JSON."""


class Advice(_ReportPart, frozen=True, kw_only=True):
    """Something that is not as it should be: a code, a sentence about this case, and what to do, empty if unknown."""

    code: str
    detail: str
    next_step: str


class Health(_ReportPart, frozen=True, kw_only=True):
    """The state in one word and one sentence. `level`: `ok`, `warning` (it goes on), or `bad`.

    `ready` is what `/readyz` says. `bad` without a reason not to be ready: it has chats and captures none of them.
    """

    level: str
    title: str
    ready: bool
    reasons: list[Advice]
    warnings: list[Advice]


class Identity(_ReportPart, frozen=True, kw_only=True):
    """Which worker this is. `client_versions`: the ClientVersions in force on its links.

    `declared_client_version` is the one that it asks for; `started_at` in ms since 1970 UTC.
    """

    version: str
    worker: str
    host: str
    group: str
    site: str
    started_at: int
    uptime_seconds: float
    declared_client_version: int
    client_versions: list[int]


class Figures(_ReportPart, frozen=True, kw_only=True):
    """The numbers of the tiles. Rate and quantiles are those of the last minute, None without any.

    `gaps`, `rejoins` and `quarantined` are counts of the last 15 minutes. `joined`, `waiting`, `given_up` and `over`
    are numbers of chats in memory.
    """

    events_per_second: float | None
    commit_p50_seconds: float | None
    commit_p99_seconds: float | None
    oldest_uncommitted_seconds: float
    joined: int
    waiting: int
    given_up: int
    over: int
    gaps: int
    gaps_since_start: int
    rejoins: int
    rejoins_since_start: int
    quarantined: int
    quarantined_since_start: int


class History(_ReportPart, frozen=True, kw_only=True):
    """A point for every `step_seconds` of the last 15 minutes, or since the start, the oldest first.

    `seconds` is how long all of them took. None where there is no value: no transaction in that interval.
    """

    seconds: float
    step_seconds: float
    events_per_second: list[float | None]
    commit_p50_seconds: list[float | None]
    commit_p99_seconds: list[float | None]
    oldest_uncommitted_seconds: list[float | None]
    joined: list[float | None]
    waiting: list[float | None]
    gaps: list[float | None]
    rejoins: list[float | None]
    quarantined: list[float | None]


class ShardRow(_ReportPart, frozen=True, kw_only=True):
    """A shard of the group. The number of followed chats (`chats`) is only known of this worker's own (`here`).

    `state`: `open`, `opening`, `closing` or `fenced` of its own; `elsewhere`, `unowned` or `unknown` of the others.
    `owner` is a worker_id, empty where nobody is known to own it; `host` is empty where the group does not tell.
    """

    shard: int
    state: str
    owner: str
    host: str
    here: bool
    chats: int | None
    detail: str


class Shards(_ReportPart, frozen=True, kw_only=True):
    """The shards of the whole group, as far as it is known. `unknown_because` is empty when the group has told.

    `partitions` is 0 while it is not known how many there are. `asked_seconds_ago` is None before the first answer.
    """

    partitions: int
    group_state: str
    unknown_because: str
    asked_seconds_ago: float | None
    rows: list[ShardRow]


class LastError(_ReportPart, frozen=True, kw_only=True):
    """Why a connection to a server was lost or could not be made, the last time. `at` in ms since 1970 UTC."""

    at: int
    code: str
    detail: str


class ServerRow(_ReportPart, frozen=True, kw_only=True):
    """A Chat Server or gateway: connections, chats joined there, chats that wait to be joined there."""

    server: str
    links: int
    joined: int
    waiting: int
    client_versions: list[int]
    last_error: LastError | None


class Servers(_ReportPart, frozen=True, kw_only=True):
    """The servers with chats, connections or errors: at most 64, those with waiting chats first, of `total`."""

    total: int
    rows: list[ServerRow]


class ChatView(_ReportPart, frozen=True, kw_only=True):
    """A chat. `server`: where it is joined, or is looked for first.

    `state`: `waiting`, `joined`, `given_up`, `stored` (known from stored transcripts only, and not over) or `over`.
    `started_at`: when the session started, by its server's clock, in ms since 1970 UTC; None while that is not known.
    `records`: its event records, `gaps`: the GAP records among them.
    """

    session_id: str
    shard: int
    state: str
    server: str
    started_at: int | None
    records: int
    gaps: int


class ChatPage(_ReportPart, frozen=True, kw_only=True):
    """A page of the chats: `rows` from `offset` of the `matching` ones of `total`."""

    total: int
    matching: int
    offset: int
    limit: int
    rows: list[ChatView]


class SeenProblem(_ReportPart, frozen=True, kw_only=True):
    """A reason not to be ready, or a warning or error of the log. Times in ms since 1970 UTC.

    `standing`: a reason that holds now. `times`: how often it was seen, a reason once for each time that it began.
    """

    first_at: int
    last_at: int
    times: int
    standing: bool
    code: str
    cause: str


class StatusReport(_ReportPart, frozen=True, kw_only=True):
    """All of it. `now` is the worker's clock, in ms since 1970 UTC."""

    now: int
    health: Health
    identity: Identity
    figures: Figures
    history: History
    shards: Shards
    servers: Servers
    chats: ChatPage
    problems: list[SeenProblem]
