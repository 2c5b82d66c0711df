"""`chatbridge reconcile`: compares captured chats with stored ones, and sends what is missing to the shards."""

from __future__ import annotations

import time
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.kafka.stored_text_producer import StoredTextProducer
from bridge.capture.stored_texts import StoredText, records_of
from bridge.commands import report_forms, settings, ucs_options
from bridge.commands.archived_chats import Refusal
from bridge.commands.archived_files import ArchivedFiles
from bridge.commands.archived_rows import ArchivedRows
from bridge.commands.backfill import BESIDE_THE_TEXT
from bridge.commands.captured_spool import CapturedSpool
from bridge.commands.captured_topics import read_captured
from bridge.commands.formatting import escaped, warn
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.progress import Progress
from bridge.commands.reconcile_report import ReconcileReport
from bridge.connection_factory import connection_of
from bridge.errors import EXIT_OK, EXIT_RUNTIME, AttributesTooDeep, PeerError, UsageError
from bridge.output_factory import redactor_of
from bridge.reconciliation.archived_records import archived_records
from bridge.reconciliation.comparison import StoredChatContents, compare_chat
from bridge.records.avro import Schemas, schema_folder
from bridge.records.normalise import Recording
from bridge.transcript.input_codes import NOT_RECORDED
from bridge.transcript.times import parse_start_at

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from bridge.commands.archived_chats import ArchivedChat
    from bridge.config import Config
    from bridge.reconciliation.captured_chat import CapturedChat
    from bridge.sources.ucs.interaction_rows import InteractionRow

_UCS: Final = Path("ucs")
_UCS_HTTP: Final = Path("ucs-http")


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        type=Path,
        help="files and folders with stored transcripts, - for standard input; or ucs, or ucs-http",
    )
    parser.add_argument(
        "--chat",
        metavar="ID",
        type=settings.chat_id,
        action="append",
        default=[],
        help="only this chat; may be repeated",
    )
    parser.add_argument("--fill", action="store_true", help="send the stored transcripts of which something is missing")
    report_forms.define(parser)
    ucs_options.define(parser.add_argument_group("which chats, and with the source ucs"))
    settings.define_output(parser)
    settings.define(
        parser,
        """\
  chatbridge reconcile ucs --ucs-url postgresql+psycopg://reader@db.example/ucs --since 2031-03-01T00:00:00Z
  chatbridge reconcile --since 2031-03-01T00:00:00Z --fill /archive/2031/03
  chatbridge reconcile ucs-http --config bridge.yaml --since 2031-03-01T00:00:00Z
  chatbridge reconcile --json --chat 0000SIMA00000001 chat.xml | jq .

Reads the events and sessions topics, and compares each chat with its stored transcript. With --since, captured chats
that started then or later and are not stored are named, too. ucs-http asks UCS (sources.ucs.http) for each captured
chat, or each --chat, by its id; chats that were never seen are not found in this way. Expected differences (typing
live only, direct messages stored only, masked texts, ...) are counted by code. Exit code 0 when everything else
agrees; 1 when a difference is unexplained, when something is missing and was not sent (--fill), when a stored
transcript or a record cannot be read, or when there is nothing to compare; 3 when Kafka or the database fails.""",
    )


def run(args: argparse.Namespace) -> int:
    """Compare, and report."""
    config = settings.config_of(args)
    if args.sources == [_UCS]:
        ucs_options.with_settings(args, config.sources.ucs)
        if not args.ucs_url or not args.since:
            raise UsageError(
                "reconcile ucs needs --since, and --ucs-url or sources.ucs.url_file",
                next_step="a file of that name is ./ucs",
            )
    elif args.ucs_url or args.ucs_archive_url or args.ucs_name:
        raise UsageError("--ucs-url, --ucs-archive-url and --ucs-name go with the source ucs alone")
    reconciliation = _Reconciliation(config, args)
    command = "reconcile --fill" if args.fill else "reconcile"
    unread = run_until_interrupted(factories.explained(config, command, reconciliation.run()))
    report, refused = reconciliation.report, reconciliation.refused
    report.end(refused=refused, unread=unread)
    if not report.compared:
        warn("nothing to compare: no stored transcript was found, and no captured chat")
    return EXIT_RUNTIME if report.has_findings or refused or unread or not report.compared else EXIT_OK


class _Reconciliation:
    def __init__(self, config: Config, args: argparse.Namespace) -> None:
        self.report = ReconcileReport(args.form)
        self.refused = 0
        self._config = config
        self._args = args
        self._since = None if args.since is None else ucs_options.since_of(args.since).replace(tzinfo=UTC)
        self._chats = frozenset(args.chat)
        self._producer: StoredTextProducer[None] | None = None
        self._recording = Recording(Schemas(schema_folder()), redactor_of(config), config.site)

    async def run(self) -> int:
        """Return how many records of the topics could not be read. Raises KafkaUnavailable, EnvironmentFault."""
        with CapturedSpool() as spool, ArchivedFiles(self._refuse) as files:
            unread = await read_captured(self._config, spool, self._chats)
            if self._args.fill:
                await factories.topics_of(self._config).partitions(factories.names_of(self._config).stored)
                self._producer = StoredTextProducer(connection_of(self._config))
            try:
                if self._producer is not None:
                    await self._producer.open()
                if self._args.sources == [_UCS_HTTP]:
                    await self._compare_by_id(spool)
                else:
                    await self._compare_all(spool, *self._stored(spool, files))
                if self._producer is not None:
                    await self._producer.flush()
            finally:
                if self._producer is not None:
                    await self._producer.close()
        return unread

    async def _compare_all(self, spool: CapturedSpool, chats: Iterable[ArchivedChat], whole: int) -> None:
        """Compare each stored chat, then name the captured ones that are not stored."""
        progress = Progress("comparing chats", whole)
        for number, chat in enumerate(chats, 1):
            progress.reached(0, number)
            await self._compare(spool, chat)
        progress.end()
        for captured in spool.others() if self._since is not None else ():
            if self._is_wanted(captured.session_id, _start_of(captured)):
                self.report.add(compare_chat(captured, None), sent=False)

    async def _compare_by_id(self, spool: CapturedSpool) -> None:
        """Ask for each captured chat that is over, and for each that the arguments name."""
        from bridge.commands.archived_http import archived_chat, client_of  # noqa: PLC0415 - needed here only

        progress = Progress("asking for chats", spool.count)
        named = (spool.chat(session_id) for session_id in sorted(self._chats))
        async with client_of(self._config) as client:
            for number, captured in enumerate(named if self._chats else spool.others(), 1):
                progress.reached(0, number)
                if not self._is_wanted(captured.session_id, _start_of(captured)):
                    continue
                found = await archived_chat(client, captured.session_id)
                if isinstance(found, Refusal):
                    self._refuse(found)
                elif found is not None:
                    await self._compare(spool, found)
                elif captured.is_known:
                    self.report.add(compare_chat(captured, None), sent=False)
        progress.end()

    def _stored(self, spool: CapturedSpool, files: ArchivedFiles) -> tuple[Iterable[ArchivedChat], int]:
        """Return the stored chats, and how many there are; 0: that is not known."""
        if self._args.sources == [_UCS]:

            def lacking(_place: str, row: InteractionRow) -> None:
                if self._is_wanted(row.id, None):
                    self.report.add(compare_chat(spool.chat(row.id), None, row_over=row.is_stopped), sent=False)

            rows = ArchivedRows(self._args, self._refuse, lacking=lacking)
            return rows.each(ucs_options.since_of(self._args.since)), 0
        progress = Progress("documents read", 0)
        files.look_through(self._args.sources, lambda count: progress.reached(0, count))
        progress.end()
        return files.each(), files.chats

    def _refuse(self, refusal: Refusal) -> None:
        self.refused += 1
        warn(escaped(refusal.line))

    def _is_wanted(self, session_id: str, start_at: int | None) -> bool:
        if self._chats and session_id not in self._chats:
            return False
        return self._since is None or start_at is None or start_at >= self._since.timestamp() * 1000

    async def _compare(self, spool: CapturedSpool, chat: ArchivedChat) -> None:
        """Compare one chat, and send its transcript if something is missing and that is wanted."""
        copies = [document for copy in chat.copies for document in copy.documents]
        if not self._is_wanted(chat.session_id, parse_start_at(copies[-1].transcript.start_at)):
            return
        try:
            captured, now = spool.chat(chat.session_id), time.time_ns() // 1000
            records, _ = archived_records(chat.session_id, copies, self._recording, now, captured.records)
        except (PeerError, AttributesTooDeep) as error:
            place = chat.copies[0].place
            self._refuse(Refusal(place, chat.session_id, NOT_RECORDED, f"{place}:0: {NOT_RECORDED}: {error.message}"))
            return
        ids = [[event.event_id for event in copy.transcript.chat_event_list] for copy in copies]
        compared = compare_chat(captured, StoredChatContents(records, ids))
        sent = self._producer is not None and compared.can_be_filled
        if self._producer is not None and sent:
            room = self._config.kafka.max_record_bytes - BESIDE_THE_TEXT
            for text in _texts_of(chat):
                await self._producer.send(None, chat.session_id.encode(), records_of(text, room))
        self.report.add(compared, sent=sent)


def _texts_of(chat: ArchivedChat) -> Iterator[StoredText]:
    needed, _ = chat.in_order()
    for copy in needed:
        final = copy.final and copy is needed[-1]
        yield StoredText(chat.session_id, copy.place, copy.text, final, time.time_ns() // 1000)


def _start_of(captured: CapturedChat) -> int | None:
    """Return when a chat started, or at least when something of it was first seen, in ms since 1970 UTC."""
    if captured.start_at is not None or not captured.records:
        return captured.start_at
    return int(captured.records[0]["observedAt"] // 1000)
