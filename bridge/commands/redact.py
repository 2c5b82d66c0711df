"""`chatbridge redact`: what the privacy rules do to stored transcripts, JSON and plain text."""

from __future__ import annotations

import codecs
import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bridge.archive.repaired_xml import read_repaired
from bridge.commands import settings
from bridge.commands.formatting import escaped, say, shortened, warn, width
from bridge.commands.redacted_texts import FieldChange, JsonRedaction, record_changes, redacted_text
from bridge.commands.text_files import bytes_of, decoded
from bridge.errors import EXIT_OK, EXIT_RUNTIME, AttributesTooDeep, PeerError, UnreadableTranscript, UsageError
from bridge.output_factory import redactor_of
from bridge.reconciliation.archived_records import archived_records
from bridge.records.avro import TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.normalise import Recording
from bridge.records.redactor import Redactor
from bridge.records.render import Renderer

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

_BEFORE: Final = "\x1b[31;9m"
_AFTER: Final = "\x1b[32;7m"
_PLAIN: Final = "\x1b[0m"
_ESCAPES: Final = "it would escape the rules about attributes"
_BEGINS_AS_JSON: Final = re.compile(
    r"""\s*+ (?: \{ \s*+ "  # an object, or a list: of more than numbers and words, without which no rule is escaped
      | \[ \s*+ (?: (?: -?\d++ (?:\.\d++)? (?:[eE][+-]?\d++)? | true | false | null ) \s*+ , \s*+ )*+ [{\["] )""",
    re.VERBOSE,
)
_CONTEXT: Final = 40
"""Characters of the text that are shown before and after a change."""


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a stored transcript (XML), JSON, or text")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and where")
    parser.add_argument("--json", action="store_true", help="with --dry-run: one JSON object per change")
    settings.define_output(parser, "the output whose rules apply; by default, the first")
    settings.define(
        parser,
        """\
  chatbridge redact --dry-run chat.xml
  chatbridge redact --dry-run --json records.jsonl | jq -r .rule | sort | uniq -c
  chatbridge redact notes.txt > notes-redacted.txt
  chatbridge redact --dry-run --set 'privacy.rules=[{"name": "cards", "detector": "payment_card"}]' notes.txt

On a terminal --dry-run shows each text with marks: what would be taken out, and what would stand there. Elsewhere it
prints a table without any text: place, field, rule, number of values or matches. Secrets are shown nowhere.

Without --dry-run the redacted texts are written: those of a text file or of JSON in the form they came in, a
stored transcript as records, as `chatbridge convert` writes them. A text file counts as one message. In JSON the maps
userData, eventAttributes and unknownAttributes are those of an event, to which rules with an attribute apply. A file
that begins as JSON, or has a line of JSON, and is none as a whole is refused. Exit code 1 when one was.""",
    )


def run(args: argparse.Namespace) -> int:
    """Redact every file, or show what would be done."""
    if args.json and not args.dry_run:
        raise UsageError("--json goes with --dry-run", next_step="without it JSON files are redacted as JSON")
    config = settings.config_of(args)
    work = _Work(redactor_of(config), config.site, _form_of(args))
    for file in dict.fromkeys(args.files):
        work.redact(file)
    return EXIT_RUNTIME if work.refused else EXIT_OK


def _form_of(args: argparse.Namespace) -> Callable[[Path, FieldChange], None] | None:
    """Return what shows a change; None: the redacted texts are written."""
    if not args.dry_run:
        return None
    if args.json:
        return _show_json
    if sys.stdout.isatty():
        return _show_marks
    say(f"{'place':32} {'field':32} {'rule':20} count")
    return _show_row


class _Work:
    """Redacts files one after the other with the rules of one output."""

    def __init__(self, redactor: Redactor, site: str, show: Callable[[Path, FieldChange], None] | None) -> None:
        schemas = Schemas(schema_folder())
        self._recording = Recording(schemas, redactor, site)
        self._plain = Recording(schemas, Redactor(), site)
        self._render = Renderer(schemas)
        self._show = show
        self.refused: list[Path] = []

    def redact(self, file: Path) -> None:
        """Redact a file by what it is: XML, JSON, lines of JSON, or text."""
        raw = bytes_of(file)
        if raw.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<"):
            self._stored_transcript(file, raw)
            return
        text = decoded(file, raw.removeprefix(codecs.BOM_UTF8))
        if "\0" in text:  # UTF-16 without its mark is valid UTF-8 in which no rule finds anything
            self._refuse(file, f"{file}: a text with NUL characters, perhaps in UTF-16, cannot be redacted")
            return
        if text.lstrip().startswith(("{", "[")):
            try:
                values = _json_values(text)
                self._json(file, values)
            except (RecursionError, AttributesTooDeep):  # a text is no way out
                self._refuse(file, f"{file}: JSON that is nested too deeply to be redacted")
                return
        else:
            values = []
        if not values:
            number = _line_of_json(text)
            if number is not None:
                self._refuse(file, f"{file}:{number}: JSON, which the file as a whole is not: as a text, {_ESCAPES}")
                return
            redacted, changes = redacted_text(self._recording.redactor, text)
            self._out(file, redacted.encode(errors="surrogatepass"), changes)

    def _json(self, file: Path, values: list[tuple[int, Any]]) -> None:
        work = JsonRedaction(self._recording.redactor)
        for line, value in values:
            work.place = f"line {line}"
            redacted = work.value(value)
            self._out(file, msgspec.json.encode(redacted) + b"\n", work.changes)
            work.changes.clear()

    def _stored_transcript(self, file: Path, raw: bytes) -> None:
        at = time.time_ns() // 1000
        try:
            read = read_repaired(raw, str(file))
            for session_id in dict.fromkeys(one.session_id for one in read.documents):
                copies = [one for one in read.documents if one.session_id == session_id]
                records, _ = archived_records(session_id, copies, self._recording, at)
                shown = self._show is not None
                plain = archived_records(session_id, copies, self._plain, at)[0] if shown else records
                for record, before in zip(records, plain, strict=True):
                    changes = list(record_changes(self._recording.redactor, before, record)) if shown else []
                    self._out(file, self._render.line(TRANSCRIPT_EVENT, record) + b"\n", changes)
        except UnreadableTranscript as error:
            self._refuse(file, str(error))
        except (PeerError, AttributesTooDeep) as error:
            self._refuse(file, f"{file}: {error.message}")
        else:
            if read.repairs:
                warn(escaped(f"{file}: damaged; repaired in {len(read.repairs)} place(s)"))

    def _out(self, file: Path, redacted: bytes, changes: list[FieldChange]) -> None:
        if self._show is None:
            sys.stdout.buffer.write(redacted)
            return
        for change in changes:
            self._show(file, change)

    def _refuse(self, file: Path, line: str) -> None:
        self.refused.append(file)
        warn(escaped(line))


def _json_values(text: str) -> list[tuple[int, Any]]:
    """Return (number of its line, value) of the one value of a file, or of that on each line; none if it is no JSON.

    Raises RecursionError.
    """
    try:
        return [(1, msgspec.json.decode(text))]
    except msgspec.DecodeError:
        pass
    try:
        return [(number, msgspec.json.decode(line)) for number, line in _lines(text)]
    except msgspec.DecodeError:
        return []


def _line_of_json(text: str) -> int | None:
    """Return the line in which a text that is not JSON as a whole has an object or list of its own, or begins as JSON.

    So does the last line of a file that was cut off, after others that are JSON.
    """
    all_json = True
    for number, line in _lines(text):
        is_json = _is_json(line)
        if (all_json or is_json) and _BEGINS_AS_JSON.match(line):
            return number
        all_json &= is_json
    return 1 if _BEGINS_AS_JSON.match(text) else None


def _is_json(line: str) -> bool:
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return False
    except RecursionError:
        return True
    return True


def _lines(text: str) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def _show_json(file: Path, change: FieldChange) -> None:
    shown = {"file": str(file), "place": change.place, "field": change.field, "rule": change.rule}
    say(json.dumps({**shown, "count": change.times}, ensure_ascii=True))


def _show_row(file: Path, change: FieldChange) -> None:
    place = shortened(escaped(f"{file.name} {change.place}"), 32)
    say(f"{place:32} {shortened(escaped(change.field), 32):32} {change.rule:20} {change.times}")


def _show_marks(file: Path, change: FieldChange) -> None:
    say(shortened(escaped(f"{file.name} {change.place} {change.field}: {change.rule}, {change.times}"), width()))
    pieces: list[str] = []
    for at, part in enumerate(change.parts):
        if part.rules:
            pieces += (_BEFORE, escaped(part.before), _PLAIN, _AFTER, escaped(part.after), _PLAIN)
        else:
            pieces.append(_around(part.before, first=at == 0, last=at == len(change.parts) - 1))
    if pieces:
        say("  " + "".join(pieces))


def _around(text: str, *, first: bool, last: bool) -> str:
    """Return what is shown of a text beside a change: its end before the first, its beginning after the last."""
    shown = escaped(text)
    if len(shown) <= _CONTEXT:
        return shown
    if first:
        return "…" + shown[-_CONTEXT:]
    return shown[:_CONTEXT] + "…" if last else shown[: _CONTEXT // 2] + "…" + shown[-_CONTEXT // 2 :]
