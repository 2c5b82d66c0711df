"""`chatbridge convert`: converts stored transcripts (XML) to event records, as JSON lines or an Avro file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastavro.write import Writer

from bridge.commands import settings, ucs_options
from bridge.commands.formatting import escaped, warn
from bridge.commands.stored_files import StoredFiles
from bridge.commands.whole_files import whole_file
from bridge.errors import EXIT_OK, EXIT_RUNTIME, AttributesTooDeep, PeerError, UsageError
from bridge.output_factory import redactor_of
from bridge.reconciliation.archived_records import archived_records
from bridge.records.avro import TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.normalise import Recording
from bridge.records.render import Renderer
from bridge.transcript.input_codes import NOT_RECORDED

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from bridge.archive.repairs import TranscriptRepair
    from bridge.commands.stored_files import StoredChat

_CONTAINER: Final = b"Obj\x01"
"""The first bytes of an Avro container file."""


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="stored transcripts (chatTranscript XML)")
    parser.add_argument("--avro", metavar="OUT", type=Path, help="write an Avro container file instead of JSON lines")
    parser.add_argument(
        "--notes", action="store_true", help="report deviations from the published format on standard error"
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse files that are damaged, instead of repairing them"
    )
    settings.define_output(parser, "apply the rules of this output; by default, of the first")
    group = parser.add_argument_group("transcripts of a UCS database instead of files")
    ucs_options.define(group)
    settings.define(
        parser,
        """\
  chatbridge convert transcripts/*.xml > records.jsonl
  chatbridge convert --avro records.avro transcripts/*.xml
  chatbridge convert --ucs-url postgresql+psycopg://reader@db.example/ucs --since 2031-03-01T00:00:00Z > records.jsonl
  chatbridge convert chat.xml | jq -r 'select(.kind == "MESSAGE") | .party.nickname + ": " + .message.text'

The records are those of live capture, with origin ARCHIVE; the privacy rules of the settings apply. A chat that is in
several files is converted once: each event of any of them, and as amendments what one of them has changed. A damaged
file is repaired; what the damage has cost is a GAP. A file that cannot be read is reported on standard error (file,
line, code, reason); the others are converted, and the exit code is 1. OUT is written when all is converted; one that is
there stays when nothing could be.""",
    )


def run(args: argparse.Namespace) -> int:
    """Convert every file, or the rows of a database."""
    _check_arguments(args)
    config = settings.config_of(args)
    recording = Recording(Schemas(schema_folder()), redactor_of(config), config.site)
    if args.avro is None:
        render, lines = Renderer(recording.schemas), sys.stdout.buffer  # JSON lines are UTF-8, whatever the locale
        return _convert_all(args, recording, lambda record: lines.write(render.line(TRANSCRIPT_EVENT, record) + b"\n"))
    _refuse_to_overwrite(args.avro)
    with whole_file(args.avro, replaces=True) as out:
        container: Any = Writer(out, recording.schemas.whole(TRANSCRIPT_EVENT), codec="deflate")
        written = 0

        def put(record: dict[str, Any]) -> None:
            nonlocal written
            container.write(record)
            written += 1

        code = _convert_all(args, recording, put)
        if code != EXIT_OK and not written:
            raise PeerError(f"nothing was converted: {args.avro} is not written")
        container.flush()
    return code


def _refuse_to_overwrite(out: Path) -> None:
    """Raise UsageError for a file that is no Avro container: `--avro *.xml` takes the first transcript for OUT."""
    if out.is_file():
        with out.open("rb") as there:
            beginning = there.read(len(_CONTAINER))
        if beginning not in (b"", _CONTAINER):
            raise UsageError(
                f"{out} exists and is not an Avro container file", next_step="name another file after --avro"
            )


def _convert_all(args: argparse.Namespace, recording: Recording, put: Callable[[dict[str, Any]], object]) -> int:
    refused: list[str] = []

    def refuse(file: str, line: str) -> None:
        refused.append(file)
        warn(escaped(line))

    def mended(file: str, repairs: list[TranscriptRepair]) -> None:
        if not args.notes:
            warn(escaped(f"{file}: damaged; repaired in {len(repairs)} place(s), --notes lists them"))
        for repair in repairs if args.notes else ():
            warn(escaped(f"{file}: {repair}"))

    for chat in _chats(args, refuse, mended):
        try:
            records, notes = _converted(chat, recording)
        except (PeerError, AttributesTooDeep) as error:
            refuse(chat.places[0], f"{chat.places[0]}:0: {NOT_RECORDED}: {error.message}")
        else:
            for record in records:  # a chat is converted as a whole or not at all
                put(record)
            for note in notes if args.notes else ():
                warn(escaped(note))
    return EXIT_RUNTIME if refused else EXIT_OK


def _chats(
    args: argparse.Namespace,
    refuse: Callable[[str, str], None],
    mended: Callable[[str, list[TranscriptRepair]], None],
) -> Iterator[StoredChat]:
    if args.ucs_url is None:
        return StoredFiles(args.strict, refuse, mended).chats(args.files)
    rows = ucs_options.rows_of(args, strict=args.strict, refused=refuse, mended=mended)
    return rows.chats(ucs_options.since_of(args.since))


def _check_arguments(args: argparse.Namespace) -> None:
    """Raise UsageError unless there are files, or a database and a time."""
    if args.ucs_url is None:
        if args.ucs_archive_url or args.since or args.ucs_name:
            raise UsageError("--since, --ucs-archive-url and --ucs-name go with --ucs-url")
        if not args.files:
            raise UsageError("expected files, or --ucs-url", next_step="chatbridge convert --help shows examples")
    elif args.files or not args.since:
        raise UsageError("--ucs-url goes with --since, and not with files")


def _converted(chat: StoredChat, recording: Recording) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the records of a chat, and notes on its copies."""
    notes = [f"{file}: {note}" for file, copy in zip(chat.places, chat.copies, strict=True) for note in copy.notes]
    records, start_at = archived_records(chat.session_id, chat.copies, recording, time.time_ns() // 1000)
    if start_at is None:
        notes.append(f"{chat.places[0]}: startAt is missing or unreadable: the times of its events are not known")
    return records, notes
