"""The signed log in files: anchors and leaves, as JSON lines in the folder `log` beside the records exported with it.

The lines are those of records (`record_lines.py`), but for the schema: a value is the bytes on the topic.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.commands.whole_files import check_whole
from bridge.errors import EnvironmentFault, VerificationFailed
from bridge.evidence.anchors import KIND
from bridge.records.record_lines import line_of_place, line_of_record, place_of_line, record_of_line
from bridge.records.record_places import Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bridge.adapters.kafka.topic_reader import TopicReader
    from bridge.commands.log_checks import LogChecks
    from bridge.commands.whole_files import WholeFiles
    from bridge.records.record_lines import FilePlace

FOLDER: Final = "log"
ANCHORS: Final = "anchors"
LEAVES: Final = "leaves"
"""The types of files of the log."""


async def write_log_files(topics: TopicReader, files: WholeFiles, folder: Path, places: Iterable[FilePlace]) -> int:
    """Write the records of one topic of the log, a file for each partition; return their number. Raises OSError."""
    written = 0
    for place in places:
        file = files.new(folder / place.file_name(place.beginning, ".jsonl"))
        file.write(line_of_place(place) + b"\n")
        async for records in topics.whole(place.topic, [place.partition]):
            for record in records:
                around = Surroundings(record.key, record.headers, record.timestamp)
                file.write(line_of_record(record.offset, around, record.value or b"") + b"\n")
            written += len(records)
        file.close()
    return written


@dataclass(slots=True, frozen=True)
class LogFile:
    """A file with the anchors or the leaves of a partition."""

    path: Path
    place: FilePlace

    def feed(self, checks: LogChecks) -> None:
        """Feed checks with its records. Raises VerificationFailed, OSError where it is damaged."""
        partition = self.place.partition
        for offset, around, value in self._records():
            if self.place.type == ANCHORS:
                checks.feed_anchor(partition, value, offset, dict(around.headers).get(KIND))
            else:
                checks.feed_leaf(partition, around.key, value, offset, around.headers)

    def first_lines(self) -> Iterator[bytes]:
        """Yield the first line of each value, up to where it is damaged: that of an anchor begins with its origin."""
        with contextlib.suppress(VerificationFailed, OSError):
            for _, _, value in self._records():
                yield value.split(b"\n", 1)[0]

    def _records(self) -> Iterator[tuple[int, Surroundings, bytes]]:
        with self.path.open("rb") as file:
            file.readline()
            for number, line in enumerate(file, 2):
                try:
                    yield record_of_line(line)
                except VerificationFailed as error:
                    raise VerificationFailed(f"line {number}: {error.message}") from error


def log_files_of(paths: Iterable[Path]) -> list[LogFile]:
    """Return the files of the log that belong to folders of exported records. Raises EnvironmentFault."""
    return [found for path in paths if path.is_dir() for found in _in(path / FOLDER)]


def _in(folder: Path) -> Iterator[LogFile]:
    if not folder.is_dir():
        return
    for path in sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")):
        check_whole(path)
        try:
            with path.open("rb") as file:
                place = place_of_line(file.readline())
        except OSError as error:
            raise EnvironmentFault(f"{path} cannot be read: {error.strerror}") from error
        except VerificationFailed as error:
            raise EnvironmentFault(f"{path}: {error.message}") from error
        if place is None or place.type not in {ANCHORS, LEAVES}:
            raise EnvironmentFault(f"{path} holds neither anchors nor leaves")
        yield LogFile(path, place)
