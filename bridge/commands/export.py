"""`chatbridge export`: writes the records of the events and sessions topics to files that can be verified."""

from __future__ import annotations

import math
import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from bridge import factories
from bridge.adapters.kafka.partitioner import partitions_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands import settings
from bridge.commands.formatting import say
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.log_files import ANCHORS, FOLDER, LEAVES, write_log_files
from bridge.commands.progress import Progress
from bridge.commands.stored_values import StoredValues
from bridge.commands.whole_files import WholeFiles
from bridge.errors import EXIT_OK, EnvironmentFault
from bridge.output_topics import output_settings_of
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT, WriterSchema
from bridge.records.payload_framing import single_object, unframe
from bridge.records.record_lines import (
    SYNC_BYTES,
    FilePlace,
    container_block,
    container_header,
    line_of_place,
    line_of_record,
    line_of_schema,
)
from bridge.records.record_places import Surroundings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from aiokafka.structs import ConsumerRecord

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.config import Config

_BLOCK_BYTES: Final = 64 * 1024
_MICROSECONDS: Final = 1_000_000


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where to write; made if it is missing")
    parser.add_argument("--format", choices=("jsonl", "avro"), default="jsonl", help="JSON lines, or Avro containers")
    parser.add_argument("--chat", metavar="ID", type=settings.chat_id, help="only this chat")
    parser.add_argument("--log", action="store_true", help="the signed log, too: anchors and leaves, in the folder log")
    settings.define_output(parser)
    settings.define(
        parser,
        """\
  chatbridge export --config bridge.yaml exported
  chatbridge export --chat 0000SIMA00000001 --format avro one-chat
  chatbridge export --log exported
  chatbridge verify exported --keys keys.txt

One file per topic and partition, topic+partition+offset.jsonl or .avro, with the records as they are committed now, and
the bytes of each as they were hashed. JSON lines have keys, headers and Kafka's times, too. No file is written over;
all have .part after their names until the last one is whole. What is interrupted leaves none.
Of a chat that nobody knows, 0 records are written, with exit code 0.
With --log, `verify --keys` compares the files with the signed log; of one chat, the log of its partition is written.
The files hold what the topics hold, personal data included; whoever may read them may read the chats.""",
    )


def run(args: argparse.Namespace) -> int:
    """Write the files."""
    config = settings.config_of(args)
    try:
        args.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFault(f"{args.folder} cannot be made: {error.strerror}") from error
    written = run_until_interrupted(
        factories.explained(
            config,
            "export --log" if args.log else "export",
            write_files(config, args.folder, args.format, args.chat, log=args.log),
        )
    )
    say(f"{written:,} records written to {args.folder}")
    return EXIT_OK


async def write_files(config: Config, folder: Path, form: str, chat: str | None, *, log: bool = False) -> int:
    """Write the records of both topics, or of one chat, in one of the formats; return their number.

    `log`: those of the signed log, too. Anchors are read before, leaves after what they are compared with.
    """
    names, manager = factories.names_of(config), factories.topics_of(config)
    counts = {name: await manager.partitions(name) for name in (names.sessions, names.events)}
    kept = await manager.kept_seconds(names.events)
    kept_since = None if kept is None else 0 if kept == math.inf else int((time.time() - kept) * _MICROSECONDS)
    written = 0
    with WholeFiles(folder) as files:  # around the rest: all of them have their names, or none has
        async with StoredValues(config.schema_registry) as stored, reader(factories.client_of(config)) as topics:
            numbers = factories.numbers_of(config, counts[names.events])
            asked = partitions_of([chat.encode()], numbers) if chat else range(counts[names.events])
            logs = _LogExport(config, topics, folder, asked, chat) if log else None
            if logs is not None:
                written += await logs.anchors(files)
            settled = await topics.ends(names.events, asked)
            for topic, name in ((names.sessions, SESSION_RECORD), (names.events, TRANSCRIPT_EVENT)):
                with ExitStack() as writing:
                    one = _TopicExport(topics, stored, topic, name)
                    former = factories.numbers_of(config, counts[topic])[:-1]
                    places = await one.places(counts[topic], former, chat, settled, kept_since)
                    today = WriterSchema.of(stored.schemas.whole(name))
                    make = _FORMS[form]
                    writers = {
                        place.partition: writing.enter_context(make(files, folder, place, today)) for place in places
                    }
                    written += await one.write(writers, chat)
            if logs is not None:
                written += await logs.leaves(files)
    return written


class _TopicExport:
    def __init__(self, topics: TopicReader, stored: StoredValues, topic: str, name: str) -> None:
        self._topics = topics
        self._stored = stored
        self._topic = topic
        self._name = name

    async def places(
        self, count: int, former: tuple[int, ...], chat: str | None, settled: dict[int, int], kept_since: int | None
    ) -> list[FilePlace]:
        """Return what each file says of itself."""
        partitions = partitions_of([chat.encode()], (*former, count)) if chat else list(range(count))
        begins = await self._topics.beginnings(self._topic, partitions)
        return [
            FilePlace(
                type=self._name,
                topic=self._topic,
                partition=partition,
                partitions=count,
                beginning=begins[partition],
                settled=settled.get(partition, 0),
                kept_since=kept_since,
                chat=chat,
                partitions_before=former,
            )
            for partition in partitions
        ]

    async def write(self, writers: dict[int, _RecordWriter], chat: str | None) -> int:
        """Write all of the topic; return the number of records. Raises SchemaUnknown, VerificationFailed."""
        written = 0
        ends = await self._topics.ends(self._topic, writers)
        progress = Progress(f"exporting {self._topic}", sum(ends.values()))
        async for records in self._topics.whole(self._topic, writers):
            for record in records:
                if chat is None or record.key == chat.encode():
                    writer, payload = unframe(record.value or b"")
                    schema = await self._stored.written(self._name, writer)
                    writers[record.partition].add(record, schema, payload)
                    written += 1
            progress.reached(records[-1].partition, records[-1].offset + 1)
        progress.end()
        return written


class _LogExport:
    """Writes the topics of the log: `anchors` before anything else is read, `leaves` at the end."""

    def __init__(
        self, config: Config, topics: TopicReader, folder: Path, partitions: Sequence[int], chat: str | None
    ) -> None:
        self._names = factories.names_of(config)
        self._manager = factories.topics_of(config)
        self._output = output_settings_of(config)[0].name
        self._topics = topics
        self._folder = folder / FOLDER
        self._partitions = partitions
        self._chat = chat
        self._leaves: list[FilePlace] = []

    async def anchors(self, files: WholeFiles) -> int:
        """Write them, and look where the leaves end. Raises EnvironmentFault where there is no log, OSError."""
        self._leaves = await self._places(LEAVES, self._names.leaves)
        self._folder.mkdir(exist_ok=True)
        places = await self._places(ANCHORS, self._names.anchors)
        return await write_log_files(self._topics, files, self._folder, places)

    async def leaves(self, files: WholeFiles) -> int:
        """Write them."""
        return await write_log_files(self._topics, files, self._folder, self._leaves)

    async def _places(self, kind: str, topic: str) -> list[FilePlace]:
        count = await self._manager.partitions(topic)
        partitions = self._partitions if self._chat else range(count)
        begins, ends = await self._topics.beginnings(topic, partitions), await self._topics.ends(topic, partitions)
        return [
            FilePlace(
                type=kind,
                topic=topic,
                partition=partition,
                partitions=count,
                beginning=begins[partition],
                settled=ends[partition],
                chat=self._chat,
                output=self._output,
            )
            for partition in partitions
        ]


class _RecordWriter:
    """Writes the file of a partition, also of an empty one; used as a context manager. Raises OSError."""

    suffix = ""

    def __init__(self, files: WholeFiles, folder: Path, place: FilePlace, today: WriterSchema) -> None:
        self._files = files
        self._folder = folder
        self._place = place
        self._today = today
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, record: ConsumerRecord, written: WriterSchema, payload: bytes) -> None:
        """Write a record, which `written` wrote."""
        raise NotImplementedError

    def _opened(self, offset: int) -> BinaryIO:
        """Begin a file with the record at this offset. One that is there is not written over."""
        if self._file is not None:
            self._file.close()
        self._file = self._files.new(self._folder / self._place.file_name(offset, self.suffix))
        return self._file


class _Lines(_RecordWriter):
    suffix = ".jsonl"

    def __init__(self, files: WholeFiles, folder: Path, place: FilePlace, today: WriterSchema) -> None:
        super().__init__(files, folder, place, today)
        self._told: set[bytes] = set()
        self._line(line_of_place(place))

    def add(self, record: ConsumerRecord, written: WriterSchema, payload: bytes) -> None:
        if written.fingerprint not in self._told:
            self._told.add(written.fingerprint)
            self._line(line_of_schema(written))
        around = Surroundings(record.key, record.headers, record.timestamp)
        self._line(line_of_record(record.offset, around, single_object(written.fingerprint) + payload))

    def _line(self, line: bytes) -> None:
        file = self._file or self._opened(self._place.beginning)
        file.write(line + b"\n")


class _Containers(_RecordWriter):
    suffix = ".avro"

    def __init__(self, files: WholeFiles, folder: Path, place: FilePlace, today: WriterSchema) -> None:
        super().__init__(files, folder, place, today)
        self._schema: bytes | None = None
        self._sync = os.urandom(SYNC_BYTES)
        self._waiting: list[bytes] = []
        self._bytes = 0

    def __exit__(self, *error: object) -> None:
        if error[0] is None:  # otherwise no file is wanted any more
            if self._file is None:
                self._begin(self._place.beginning, self._today)
            self._flush()
        super().__exit__(*error)

    def add(self, record: ConsumerRecord, written: WriterSchema, payload: bytes) -> None:
        if written.fingerprint != self._schema:
            self._flush()
            self._begin(record.offset, written)
        self._waiting.append(payload)
        self._bytes += len(payload)
        if self._bytes > _BLOCK_BYTES:
            self._flush()

    def _begin(self, offset: int, written: WriterSchema) -> None:
        self._schema = written.fingerprint
        self._opened(offset).write(container_header(written, self._place, self._sync))

    def _flush(self) -> None:
        if self._file is not None and self._waiting:
            self._file.write(container_block(self._waiting, self._sync))
        self._waiting, self._bytes = [], 0


_FORMS: Final[dict[str, type[_RecordWriter]]] = {"jsonl": _Lines, "avro": _Containers}
