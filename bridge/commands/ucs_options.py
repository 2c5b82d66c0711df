"""The options that name a UCS database, and what reads the transcripts in it. It needs the extra `ucs`."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bridge.commands.formatting import escaped, warn
from bridge.errors import UsageError
from bridge.transcript.input_codes import NO_TEXT
from bridge.transcript.times import parse_start_at

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from bridge.archive.repairs import TranscriptRepair
    from bridge.commands.stored_rows import StoredRows
    from bridge.config.ucs_settings import UcsSettings
    from bridge.sources.ucs.database import UcsDatabase
    from bridge.sources.ucs.interaction_rows import InteractionRow


def define(group: Any) -> None:
    """Add the options to a parser, or to a group of one."""
    group.add_argument("--ucs-url", metavar="URL", help="the database, e.g. postgresql+psycopg://reader@db.example/ucs")
    group.add_argument("--ucs-archive-url", metavar="URL", help="the archive database, if there is one")
    group.add_argument("--since", metavar="TIME", help="chats that started then (UTC if it has no offset) or later")
    group.add_argument(
        "--ucs-name",
        metavar="KEY=NAME",
        action="append",
        default=[],
        help="a name in the database; keys: table, schema, id, status, start_date, media_type, text",
    )


def with_settings(args: argparse.Namespace, ucs: UcsSettings) -> None:
    """Take the database of the settings (`sources.ucs`) if the options name none."""
    if args.ucs_url is not None or ucs.url is None:
        return
    args.ucs_url = ucs.url.get_secret_value()
    args.ucs_archive_url = None if ucs.archive_url is None else ucs.archive_url.get_secret_value()
    names = {"schema" if key == "table_schema" else key: name for key, name in ucs.names.model_dump().items()}
    args.ucs_name = [f"{key}={name}" for key, name in names.items() if name is not None]


def since_of(text: str) -> datetime:
    """Return the time that `--since` names, in UTC without a zone. Raises UsageError."""
    since = parse_start_at(text)
    if since is None:
        raise UsageError(f"--since {text}: expected a time such as 2031-03-01T00:00:00Z")
    return datetime.fromtimestamp(since / 1000, UTC).replace(tzinfo=None)


def rows_of(
    args: argparse.Namespace,
    *,
    strict: bool,
    refused: Callable[[str, str], None],
    mended: Callable[[str, list[TranscriptRepair]], None],
    lacking: Callable[[str, InteractionRow], None] | None = None,
) -> StoredRows:
    """Connect, and return what reads the rows; its callbacks are those of StoredRows. Raises as UcsDatabase does."""
    try:
        from bridge.commands.stored_rows import StoredRows  # noqa: PLC0415 - it needs the extra `ucs`
    except ImportError as error:
        raise _not_installed(error) from None
    told = _say_lacking if lacking is None else lacking
    return StoredRows(_databases(args), strict, refused, mended, lambda line: warn(escaped(line)), told)


def _say_lacking(place: str, row: InteractionRow) -> None:
    warn(escaped(f"{place}:0: {NO_TEXT}: not over, or without a transcript (status {row.status})"))


def _databases(args: argparse.Namespace) -> list[UcsDatabase]:
    try:
        from bridge.sources.ucs.database import UcsDatabase  # noqa: PLC0415 - it needs the extra `ucs`
        from bridge.sources.ucs.interactions import InteractionNames  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed(error) from None
    keys = dict(pair.partition("=")[::2] for pair in args.ucs_name)
    if unknown := keys.keys() - {each.name for each in fields(InteractionNames)}:
        raise UsageError(f"--ucs-name: {', '.join(sorted(unknown))} is no key")
    urls = [url for url in (args.ucs_url, args.ucs_archive_url) if url is not None]
    return [UcsDatabase(url, InteractionNames(**keys)) for url in urls]


def _not_installed(error: ImportError) -> UsageError:
    return UsageError(f"--ucs-url needs {error.name}", next_step="pip install 'chatbridge[ucs]'")
