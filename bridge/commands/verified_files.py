"""Verifies files with records of the events and sessions topics, without Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.partitioner import partitions_of
from bridge.commands.log_checks import LogChecks
from bridge.commands.log_files import ANCHORS, LEAVES, log_files_of
from bridge.commands.progress import Progress
from bridge.commands.record_files import files_of, opened
from bridge.commands.verification import Verification
from bridge.errors import VerificationFailed
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.findings import PARTITION, PRESENCE, READABLE, Finding
from bridge.records.output_chains import DEFAULT_OUTPUT
from bridge.records.record_places import PartitionStart
from bridge.records.verifier import Verifier
from bridge.records.writer_schemas import WriterSchemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bridge.commands.log_files import LogFile
    from bridge.commands.record_files import FileRecord, RecordFile
    from bridge.commands.verification import Selection
    from bridge.evidence.log_stamps import StampCheck
    from bridge.evidence.signed_note import PublicKey
    from bridge.records.record_lines import FilePlace

_ANY: Final = 1 << 62
_LIMITS: Final = (
    "what was deleted before the export: that a partition begins where the files say is not proved by them",
    "chats of which no file has any record, and the order of chats among each other",
)
_UNSIGNED: Final = (
    "whether the bridge wrote these records: somebody who may write the files can make others that fit (--keys)"
)
_NO_LOG: Final = "whether certificates are missing: the log is not in the files (`chatbridge export --log`)"
_LOG_LIMITS: Final = (
    "what came to open chats after the last anchor, and whether whole anchors were taken away from between others",
    "whether the topics ended where the last anchor says: files do not show it",
)
_CONTAINERS: Final = "keys, headers and Kafka's times: Avro container files do not have them"
_UNPLACED: Final = "partitions and their beginnings: {} files do not say where their records were"


def verify_files(
    paths: Sequence[Path],
    selection: Selection,
    keys: Sequence[PublicKey] = (),
    check_stamp: StampCheck | None = None,
) -> Verification:
    """Read all files, and those in folders: session records first. Raises EnvironmentFault when one is no such file.

    With keys, the signed log that lies beside them is read, too; the keys say what its origins are.
    """
    writers = WriterSchemas.shipped()
    logs = _FiledLog(log_files_of(paths), keys, check_stamp) if keys else None
    files = [opened(path, writers) for path in files_of(paths)]
    places = [file.place for file in files if file.place is not None]
    counts = {place.partitions for place in places}
    numbers = sorted(counts.union(*(place.partitions_before for place in places)))
    places_of = (lambda key: partitions_of([key], numbers)) if counts else None
    verifier = Verifier(writers.schemas, places_of=places_of, check_session=None if logs is None else logs.checks)
    of_log = (_UNSIGNED,) if logs is None else _LOG_LIMITS if logs.files else (_NO_LOG,)
    done = Verification(verifier, "the files", limits=[*_LIMITS, *of_log])
    _described(done, files, places)
    reading = _FileReading(done, selection)
    if logs is not None:
        logs.begin(done)
    for name in (SESSION_RECORD, TRANSCRIPT_EVENT):
        mine = sorted((file for file in files if file.type == name), key=_order)
        if not mine:
            done.found.append(Finding("", PRESENCE, f"no file holds records of {name}"))
        reading.all(mine)
        if name == SESSION_RECORD and logs is not None:
            logs.compare(done, places, selection)
        if name == SESSION_RECORD and selection.windowed:
            done.left_out = verifier.leave_out(selection.wants)
    _partitions(done, files, reading.first)
    return done


def _described(done: Verification, files: list[RecordFile], places: list[FilePlace]) -> None:
    """Tell what is wrong with what the files say of themselves, and what they do not say."""
    counts = {place.partitions for place in places}
    if len(counts) > 1:
        what = f"the files are from topics with {sorted(counts)} partitions: some are lost, or of another topic"
        done.found.append(Finding("", PARTITION, what))
    if any(not file.has_surroundings for file in files):
        done.limits.append(_CONTAINERS)
    if len(places) < len(files):
        done.limits.append(_UNPLACED.format(len(files) - len(places)))
    for file in files:
        if file.place is not None and file.place.type != file.type:
            what = f"{file.path} holds records of {file.type}, but says that they are from {file.place.topic}"
            done.found.append(Finding("", READABLE, what))


def _order(file: RecordFile) -> tuple[int, str]:
    return (-1 if file.partition is None else file.partition, file.path.name)


def _partitions(done: Verification, files: list[RecordFile], first: dict[int | None, int]) -> None:
    """Tell the verifier what each partition was when it was exported, and name partitions without a file."""
    events = {file.partition: file.place for file in reversed(files) if file.type == TRANSCRIPT_EVENT}
    sessions = {file.partition: file.place for file in reversed(files) if file.type == SESSION_RECORD}
    for partition in {*events, *sessions, None}:
        place, beside = events.get(partition), sessions.get(partition)
        start = PartitionStart(offset=0, settled=_ANY, in_files=True)
        if place is not None and beside is not None:
            start = PartitionStart(
                offset=place.beginning,
                settled=place.settled,
                at=first.get(partition),
                sessions_whole=beside.beginning == 0,
                kept_since=place.kept_since,
            )
        done.verifier.start_partition(partition, start)
    for found, what in ((events, "events"), (sessions, "session records")):
        places = [place for place in found.values() if place is not None]
        if not places or any(place.chat is not None for place in places):
            continue
        lost = sorted(set(range(max(place.partitions for place in places))) - {place.partition for place in places})
        if lost:
            done.found.append(Finding("", PARTITION, f"no file has the {what} of the partitions {lost}"))


def _log_name(files: Iterable[LogFile], keys: Sequence[PublicKey]) -> str:
    """Return the name of the keys with which the first anchor that names one begins: keys may be of several logs."""
    firsts = (first for file in files if file.place.type == ANCHORS for first in file.first_lines())
    named = (key.name for first in firsts for key in keys if first.startswith(f"{key.name}/".encode()))
    return next(named, keys[0].name)


class _FiledLog:
    """Compares session records with the log in files, if there is one: `begin` before them, `compare` after them."""

    def __init__(self, files: list[LogFile], keys: Sequence[PublicKey], check_stamp: StampCheck | None) -> None:
        output = next((file.place.output for file in files if file.place.output), DEFAULT_OUTPUT)
        self.files = files
        self.checks = LogChecks(_log_name(files, keys), keys, output, check_stamp)

    def begin(self, done: Verification) -> None:
        """Read anchors."""
        self.checks.settle({one.place.partition: one.place.settled for one in self.files if one.place.type == LEAVES})
        self._feed(done, ANCHORS)
        done.limits += filter(None, [self.checks.of_stamps()])

    def compare(self, done: Verification, places: Sequence[FilePlace], selection: Selection) -> None:
        """Read leaves, and tell what is wrong, and what is expected of chats."""
        if not self.files:
            return
        self._feed(done, LEAVES)
        chat = selection.chat or next((each.chat for each in places if each.chat), None)
        whole = {one.partition: one.beginning == 0 for one in places if one.type == SESSION_RECORD}
        done.found += self.checks.of_certificates(whole, one_chat=chat is not None)
        done.found += self.checks.of_logs({})
        done.limits += filter(None, [self.checks.of_uncovered()])
        self.checks.expectations(done.verifier.expect, chat)

    def _feed(self, done: Verification, kind: str) -> None:
        for file in self.files:
            if file.place.type == kind:
                try:
                    file.feed(self.checks)
                except (VerificationFailed, OSError) as error:
                    done.found.append(Finding("", READABLE, f"{file.path}: {error}: the rest of it is not verified"))


class _FileReading:
    """Feeds a verifier. `first` is Kafka's time of the first event of each partition, in us since 1970 UTC."""

    def __init__(self, done: Verification, selection: Selection) -> None:
        self._done = done
        self._verifier = done.verifier
        self._selection = selection
        self.first: dict[int | None, int] = {}

    def all(self, files: list[RecordFile]) -> None:
        """Feed the verifier with files of one type."""
        progress = Progress("reading files", sum(file.path.stat().st_size for file in files))
        for at, file in enumerate(files):
            before = self._verifier.records + self._verifier.session_records
            try:
                for read in file.records():
                    self._one(file, read)
            except (VerificationFailed, OSError) as error:
                what = f"{file.path}: {error}: the rest of it is not verified"
                self._done.found.append(Finding("", READABLE, what))
            if file.place is None and before == self._verifier.records + self._verifier.session_records:
                self._done.found.append(Finding("", PRESENCE, f"{file.path} holds no record"))
            progress.reached(at, file.path.stat().st_size)
        progress.end()

    def _one(self, file: RecordFile, read: FileRecord) -> None:
        where = f"{file.path.name}:{read.number}"
        key = None if read.around is None else read.around.key
        if read.written is None:
            if read.unknown is not None:
                session_id = (key or b"").decode("utf-8", "replace")
                event = file.type == TRANSCRIPT_EVENT
                self._verifier.leave_unread(session_id, where, read.unknown, event=event, partition=file.partition)
            return
        if read.around is not None and file.type == TRANSCRIPT_EVENT:
            self.first.setdefault(file.partition, read.around.timestamp * 1000)
        record, verifier = read.record, self._verifier
        session_id = record["sessionId"] if record else (key or b"").decode("utf-8", "replace")
        if self._selection.chat not in (None, session_id):
            return
        if self._selection.windowed and file.type == TRANSCRIPT_EVENT and verifier.knows(session_id) is None:
            at = record["observedAt"] if record else (0 if read.around is None else read.around.timestamp * 1000)
            if not self._selection.covers(at):
                return
        current = record if read.written.fingerprint == verifier.fingerprint(file.type) else None
        feed = verifier.feed_event if file.type == TRANSCRIPT_EVENT else verifier.feed_session
        offset = read.number if read.offset is None else read.offset
        feed(read.payload, file.partition, offset, read.written, read.around, where=where, record=current)
