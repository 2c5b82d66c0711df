"""`chatbridge unseal`: prints what an output that is sealed holds, in clear, for those who hold the master key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge import factories
from bridge.adapters.kafka.partitioner import partitions_of
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands import settings, verb_calls
from bridge.commands.clear_records import ClearLines, ClearRecords, clear_file
from bridge.commands.formatting import escaped, warn
from bridge.commands.input_parts import InputParts
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.record_files import files_of, opened
from bridge.commands.stored_values import StoredValues
from bridge.commands.topic_keys import TopicKeys
from bridge.commands.verb_calls import VerbCall, audit_of, checked_ids
from bridge.errors import EXIT_OK, EXIT_RUNTIME, SchemaUnknown, UsageError, VerificationFailed
from bridge.records.audit_chain import UNSEALED
from bridge.records.avro import QUARANTINED_INPUT, TRANSCRIPT_EVENT
from bridge.records.writer_schemas import WriterSchemas
from bridge.sealing.data_keys import name_of_partition
from bridge.sealing.opened_records import BYTES, opened_input

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterable

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.commands.input_parts import CollectedInput
    from bridge.config import Config
    from bridge.records.audit_chain import AuditEntry

_TYPES: Final = {"events": TRANSCRIPT_EVENT, "quarantine": QUARANTINED_INPUT}


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="exported events, in place of the topic")
    parser.add_argument("--kind", choices=tuple(_TYPES), default="events", help="which topic")
    parser.add_argument("--chat", metavar="ID", type=settings.chat_id, help="only this chat")
    parser.add_argument("--avro", metavar="FILE", type=Path, help="write an Avro container file, not JSON lines")
    verb_calls.define_caller(parser)
    settings.define_output(parser)
    settings.define(
        parser,
        """\
  chatbridge unseal --reason 'case 12/2031' --config bridge.yaml --output archive --chat 0000SIMA00000001
  chatbridge unseal --reason 'weekly sample' --config bridge.yaml --output archive --kind quarantine
  chatbridge unseal --reason audit --config bridge.yaml --avro clear.avro exported/*events*

Who unseals, and why, is on the audit topic before anything is shown. The settings name the master key (sealing.*), and
former ones. Keys of chats are read from their topic, also for files. A text that cannot be opened stays in the output
as it is, and is named on standard error (record, field, reason): its key was destroyed, or it was altered. A record
that cannot be read is named and left out. What is printed holds personal data, and its hashes are those of the sealed
records: verify these. Exit code 1 when a text was not opened, or a record not read.""",
    )


def run(args: argparse.Namespace) -> int:
    """Print everything that is there now."""
    config = settings.config_of(args)
    if args.files and args.kind != "events":
        raise UsageError("--kind goes with the topics: files hold events")
    call, chats = VerbCall.of(args, config, "unseal"), checked_ids("unseal", [args.chat] if args.chat else [])
    name = _TYPES[args.kind]
    if args.avro is None:
        work = _unsealed(config, args, call.entry(UNSEALED, chats), ClearLines(name))
    else:
        with clear_file(args.avro, name) as clear:
            work = _unsealed(config, args, call.entry(UNSEALED, chats), clear)
    if work.left:
        warn(f"{work.left:,} texts could not be opened, and stay as they are, in {work.records_with_left:,} records")
    if work.unread:
        warn(f"{work.unread:,} records could not be read, and are left out")
    return EXIT_RUNTIME if work.left or work.unread else EXIT_OK


def _unsealed(config: Config, args: argparse.Namespace, told: AuditEntry, clear: ClearRecords) -> _Unsealing:
    work = _Unsealing(config, args.chat, clear)
    run_until_interrupted(factories.explained(config, "unseal", work.run(args.kind, args.files, told)))
    return work


class _Unsealing:
    """`left`: how many texts stay as they are; `unread`: how many records are left out."""

    def __init__(self, config: Config, chat: str | None, clear: ClearRecords) -> None:
        self.left = self.records_with_left = self.unread = 0
        self._config = config
        self._chat = chat
        self._clear = clear

    async def run(self, kind: str, files: list[Path], told: AuditEntry) -> None:
        config, names = self._config, factories.names_of(self._config)
        topic = names.keys if files else getattr(names, kind)
        count = await factories.topics_of(config).partitions(topic)
        numbers = factories.numbers_of(config, count)
        partitions = partitions_of([self._chat.encode()], numbers) if self._chat else list(range(count))
        async with reader(factories.client_of(config)) as topics:
            keys = await TopicKeys.read(config, topics, partitions)
            what = f"{len(files)} files" if files else topic
            async with await audit_of(config) as audit:
                await audit.append([replace(told, detail=f"{what}, of all chats" if self._chat is None else what)])
            if files:
                await self._files(keys, files)
            elif kind == "events":
                await self._events(keys, topics, topic, partitions)
            else:
                await self._quarantine(keys, topics, topic, partitions)

    async def _events(self, keys: TopicKeys, topics: TopicReader, topic: str, partitions: Collection[int]) -> None:
        async with StoredValues(self._config.schema_registry) as stored:
            async for records in topics.whole(topic, partitions):
                chats = ((record.key or b"").decode("utf-8", "replace") for record in records)
                await keys.ready(one for one in chats if self._chat in {None, one})
                for record in records:
                    where = f"{topic}-{record.partition}@{record.offset}"
                    try:
                        event = await stored.decode(TRANSCRIPT_EVENT, record.value or b"")
                    except (VerificationFailed, SchemaUnknown) as error:
                        self._left_out(where, error)
                    else:
                        await self._event(keys, where, event)

    async def _files(self, keys: TopicKeys, paths: Iterable[Path]) -> None:
        writers = WriterSchemas.shipped()
        for path in files_of(paths):
            file = opened(path, writers)
            if file.type != TRANSCRIPT_EVENT:
                warn(f"{path}: session records hold nothing that is sealed")
                continue
            try:
                for one in file.records():
                    where = f"{path}: record {one.number}"
                    try:
                        if one.unknown is not None:
                            raise one.unknown
                        event = writers.schemas.decode(TRANSCRIPT_EVENT, one.payload, one.written)
                    except (VerificationFailed, SchemaUnknown) as error:
                        self._left_out(where, error)
                    else:
                        await self._event(keys, where, event)
            except VerificationFailed as error:  # the file is damaged: no more of it is read
                self._left_out(str(path), error)

    async def _event(self, keys: TopicKeys, where: str, event: dict[str, Any]) -> None:
        if self._chat is None or event["sessionId"] == self._chat:
            clear, left = await keys.opened_as_far_as_possible(event)
            self._clear.add(clear)
            self._stays(where, left)

    async def _quarantine(self, keys: TopicKeys, topics: TopicReader, topic: str, partitions: Collection[int]) -> None:
        """Open input with all of its parts: it was sealed as a whole."""
        parts = InputParts()
        async with StoredValues(self._config.schema_registry) as stored:
            async for records in topics.whole(topic, partitions):
                for record in records:
                    where = f"{topic}-{record.partition}@{record.offset}"
                    try:
                        one = await stored.decode(QUARANTINED_INPUT, record.value or b"")
                    except (VerificationFailed, SchemaUnknown) as error:
                        self._left_out(where, error)
                        continue
                    for each in parts.take(record.partition, where, one):
                        await self._input(keys, each, record.partition)
            for partition, each in parts.rest():
                await self._input(keys, each, partition)

    async def _input(self, keys: TopicKeys, one: CollectedInput, partition: int) -> None:
        if self._chat not in {None, one.session_id}:
            return
        names = [name for name in (one.session_id, name_of_partition(partition)) if name is not None]
        try:
            whole = one.whole()
        except VerificationFailed as error:
            self._left_out(one.where, error)
            return
        await keys.ready(names)
        try:
            whole = opened_input(whole, keys.known(names))
        except VerificationFailed as error:
            self._stays(one.where, {BYTES: error.message.removeprefix(f"{BYTES}: ")})
        self._clear.add({**one.found[-1], "bytes": whole, "part": 1, "parts": 1})

    def _stays(self, where: str, left: dict[str, str]) -> None:
        """Name the texts that stay as they are, by reason."""
        self.left += len(left)
        self.records_with_left += bool(left)
        for reason in dict.fromkeys(left.values()):
            fields = ", ".join(field for field, one in left.items() if one == reason)
            warn(escaped(f"{where}: {fields}: {reason}"))

    def _left_out(self, where: str, error: Exception) -> None:
        self.unread += 1
        warn(f"{where}: {error}")
