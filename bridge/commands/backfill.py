"""`chatbridge backfill`: sends stored transcripts to the shards that own their chats."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.kafka.stored_text_producer import StoredTextProducer
from bridge.announcement import session_id_problem
from bridge.capture.stored_texts import StoredText, records_of
from bridge.commands import report_forms, settings, ucs_options
from bridge.commands.archived_chats import BAD_SESSION_ID
from bridge.commands.archived_files import ArchivedFiles
from bridge.commands.archived_rows import ArchivedRows
from bridge.commands.backfill_report import (
    NOT_NEEDED,
    REFUSED,
    SENT,
    SENT_BEFORE,
    WOULD_SEND,
    BackfillReport,
    ReportRow,
)
from bridge.commands.backfill_state import BackfillState, digest_of
from bridge.commands.formatting import escaped, warn
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.progress import Progress
from bridge.commands.stored_waiting import PublishedWait
from bridge.connection_factory import connection_of
from bridge.errors import EXIT_OK, EXIT_RUNTIME, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bridge.adapters.kafka.stored_text_producer import Acknowledged
    from bridge.commands.archived_chats import ArchivedChat, ArchivedCopy, Refusal
    from bridge.config import Config

    Confirmed = Callable[["ArchivedCopy", str], object]

_UCS: Final = Path("ucs")
BESIDE_THE_TEXT: Final = 1_024
"""Bytes of a record that are not its value: key and headers."""


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        type=Path,
        help="files, folders (chatTranscript XML, Avro containers of TranscriptEvents), - for standard input; or ucs",
    )
    parser.add_argument("--dry-run", action="store_true", help="read and report everything, send nothing")
    parser.add_argument(
        "--state", metavar="FILE", type=Path, help="remember what Kafka has confirmed, and go on from it"
    )
    parser.add_argument("--wait", action="store_true", help="wait until the shards have committed what was sent")
    parser.add_argument("--strict", action="store_true", help="refuse what is damaged, instead of repairing it")
    report_forms.define(parser)
    ucs_options.define(parser.add_argument_group("with the source ucs"))
    settings.define(
        parser,
        """\
  chatbridge backfill --dry-run /archive/2031
  chatbridge backfill --state backfill.state /archive/2031 more/*.xml
  zcat chats.xml.gz | chatbridge backfill -
  chatbridge backfill ucs --ucs-url postgresql+psycopg://reader@db.example/ucs --since 2031-01-01T00:00:00Z --wait

Writes each stored transcript to the topic of stored transcripts; the shard that owns the chat publishes what it lacks.
Sending one again is harmless. A text that was edited is published as an amendment for a minute after the chat was
closed (for up to sources.ucs.overlap_seconds where workers follow UCS). After that the shard publishes missing events
only, and the report does not tell of the edit: chatbridge reconcile does (TEXT_CHANGED). The report has a row for each
document. Exit code 0 when nothing was refused, 1 when something was, or when nothing was found, 3 when Kafka or the
database fails.""",
    )


def run(args: argparse.Namespace) -> int:
    """Send all that the sources hold."""
    config = settings.config_of(args)
    if args.sources == [_UCS]:
        ucs_options.with_settings(args, config.sources.ucs)
    _check_arguments(args)
    report = BackfillReport(args.form)

    def refuse(refusal: Refusal) -> None:
        warn(escaped(refusal.line))
        report.add(ReportRow(refusal.place, refusal.session_id, 0, 0, REFUSED, refusal.code))

    state = BackfillState(args.state, factories.names_of(config).stored, config.kafka.bootstrap_servers)
    with state, ArchivedFiles(refuse, strict=args.strict) as files:
        published = False
        try:
            if args.sources == [_UCS]:
                chats: Iterable[ArchivedChat] = ArchivedRows(args, refuse, strict=args.strict).each(
                    ucs_options.since_of(args.since)
                )
                whole = 0
            else:
                _look_through(files, args.sources)
                chats, whole = files.each(), files.chats
            backfill = _Backfill(report, state, Progress("sending chats", whole))
            if args.dry_run:
                for copy, session_id in backfill.needed(chats):
                    report.add(_row(copy, session_id, WOULD_SEND))
            else:
                command = "backfill --wait" if args.wait else "backfill"
                sending = backfill.send(config, chats, wait=args.wait)
                published = run_until_interrupted(factories.explained(config, command, sending))
        except KeyboardInterrupt:
            _say_how_to_go_on(args.state, report.outcomes[SENT])
            raise
    report.end(published=published)
    if not report.outcomes:
        warn("nothing was found: no stored transcript is in what was named")
    return EXIT_RUNTIME if report.outcomes[REFUSED] or not report.outcomes else EXIT_OK


def _check_arguments(args: argparse.Namespace) -> None:
    """Raise UsageError for what does not go together."""
    if args.sources == [_UCS]:
        if not args.ucs_url or not args.since:
            raise UsageError(
                "backfill ucs needs --since, and --ucs-url or sources.ucs.url_file",
                next_step="a file of that name is ./ucs",
            )
    elif args.ucs_url or args.ucs_archive_url or args.since or args.ucs_name:
        raise UsageError("--ucs-url, --ucs-archive-url, --ucs-name and --since go with the source ucs alone")
    if args.dry_run and args.wait:
        raise UsageError("--dry-run sends nothing that --wait could wait for")


def _look_through(files: ArchivedFiles, sources: Sequence[Path]) -> None:
    progress = Progress("documents read", 0)
    files.look_through(sources, lambda count: progress.reached(0, count))
    progress.end()


def _say_how_to_go_on(state: Path | None, sent: int) -> None:
    how = (
        "the same command goes on from there" if state else "with --state FILE the same command would go on from there"
    )
    warn(f"chatbridge: interrupted; Kafka has confirmed {sent} documents, {how}. Sending them again is harmless.")


def _row(copy: ArchivedCopy, session_id: str, outcome: str, code: str = "") -> ReportRow:
    return ReportRow(copy.place, session_id, len(copy.events), copy.repairs, outcome, code)


class _Backfill:
    """Sends chats, reports them, and remembers what was confirmed."""

    def __init__(self, report: BackfillReport, state: BackfillState, progress: Progress) -> None:
        self._report = report
        self._state = state
        self._progress = progress

    def needed(self, chats: Iterable[ArchivedChat]) -> Iterator[tuple[ArchivedCopy, str]]:
        """Yield (copy, session id) of what has to be sent, in order; report the rest."""
        for number, chat in enumerate(chats, 1):
            session_id = chat.session_id
            if problem := session_id_problem(session_id):
                warn(escaped(f"{chat.copies[0].place}:0: {BAD_SESSION_ID}: {problem}"))
                for copy in chat.copies:
                    self._report.add(_row(copy, session_id, REFUSED, BAD_SESSION_ID))
                continue
            needed, others = chat.in_order()
            for copy in others:
                self._report.add(_row(copy, session_id, NOT_NEEDED))
            for copy in needed:
                copy.final = copy.final and copy is needed[-1]
                if digest_of(session_id, copy.text) in self._state:
                    self._report.add(_row(copy, session_id, SENT_BEFORE))
                else:
                    yield copy, session_id
            self._progress.reached(0, number)
        self._progress.end()

    async def send(self, config: Config, chats: Iterable[ArchivedChat], *, wait: bool) -> bool:
        """Send them; return whether all of it is known to be published. Raises KafkaUnavailable."""
        kafka = connection_of(config)
        # Raises if it is missing: writing could make the broker create it.
        partitions = await factories.topics_of(config).partitions(kafka.topics.stored)
        producer: StoredTextProducer[tuple[ReportRow, bytes]] = StoredTextProducer(kafka)
        async with PublishedWait.of(config, partitions, wanted=wait) as waiting:
            try:
                await producer.open()
                for copy, session_id in self.needed(chats):
                    row = _row(copy, session_id, SENT)
                    text = StoredText(session_id, copy.place, copy.text, copy.final, time.time_ns() // 1000)
                    records = records_of(text, kafka.max_record_bytes - BESIDE_THE_TEXT)
                    token = row, digest_of(session_id, copy.text)
                    self._confirm(await producer.send(token, session_id.encode(), records), waiting)
                self._confirm(await producer.flush(), waiting)
            finally:
                await producer.close()
            return await waiting.all_published()

    def _confirm(self, acknowledged: list[Acknowledged[tuple[ReportRow, bytes]]], waiting: PublishedWait) -> None:
        self._state.confirm(one.token[1] for one in acknowledged)
        for one in acknowledged:
            self._report.add(one.token[0])
            waiting.expect(one.partition, one.offset)
