"""Records of a topic in files, as they were on the topic: JSON lines, and Avro object container files.

A file holds records of one type, of one partition of one topic if it was exported by this program. What is hashed and
signed is the record's binary encoding; so both forms keep those bytes: a container has them in its blocks, a line has
them as base64, in single-object encoding.

JSON lines, in this order: one FilePlace; then RecordLines, before the first of each schema a SchemaLine.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bridge.errors import VerificationFailed
from bridge.records.binary import data, long
from bridge.records.record_places import Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.records.avro import WriterSchema
FORM: Final = 1
PLACE_KEY: Final = "chatbridge.place"
"""The key in a container's metadata under which its FilePlace lies, as JSON."""

SYNC_BYTES: Final = 16
_MAGIC: Final = b"Obj\x01"
_OFFSET_DIGITS: Final = 10


class FilePlace(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where the records of a file were: the first line.

    `type` is the full name of their Avro type; anchors and leaves, parts of the signed log, have names of their own.
    The partition began at the offset `beginning`; what stands below `settled` was committed before the sessions topic
    was read. Kafka kept what was written at `kept_since` (us since 1970 UTC) or later, None when that is not known.
    `chat`: only its records were exported. `output` is the one whose topics were exported, where that is known.
    `partitions_before`: how many partitions the topic had before; chats stay on the one that they had then.
    """

    type: str
    topic: str
    partition: int
    partitions: int
    beginning: int
    settled: int
    kept_since: int | None = None
    chat: str | None = None
    output: str | None = None
    partitions_before: tuple[int, ...] = ()
    form: int = msgspec.field(default=0, name="chatbridge")

    def file_name(self, offset: int, suffix: str) -> str:
        """Return what a file is called whose first record is at this offset, or would be."""
        return f"{self.topic}+{self.partition}+{offset:0{_OFFSET_DIGITS}}{suffix}"


class SchemaLine(msgspec.Struct, frozen=True):
    """A schema, and its fingerprint in hexadecimal digits."""

    fingerprint: str
    definition: msgspec.Raw


class RecordLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record: `time` is Kafka's, in ms since 1970 UTC; `value` its value in base64, in single-object encoding.

    `headers` are pairs of name and text; a value that is no UTF-8 is base64, after a null. A null alone is no value.
    """

    offset: int
    time: int
    key: str | None
    headers: list[list[str | None]]
    value: str


_encode = msgspec.json.Encoder().encode
_records = msgspec.json.Decoder(RecordLine)


def line_of_place(place: FilePlace) -> bytes:
    """Return the first line, without its end."""
    return _encode(msgspec.structs.replace(place, form=FORM))


def line_of_schema(written: WriterSchema) -> bytes:
    """Return the line of a schema."""
    return _encode({"fingerprint": written.fingerprint.hex(), "definition": written.source})


def line_of_record(offset: int, around: Surroundings, value: bytes) -> bytes:
    """Return the line of a record; `value` in single-object encoding. A key that is no UTF-8 is left out."""
    return _encode(
        RecordLine(
            offset,
            around.timestamp,
            None if around.key is None else around.key.decode("utf-8", "replace"),
            [_header(name, text) for name, text in around.headers],
            b64encode(value).decode(),
        )
    )


def place_of_line(line: bytes) -> FilePlace | None:
    """Return the FilePlace that is this line; None if it is another one. Raises VerificationFailed on a later form."""
    try:
        place = msgspec.json.decode(line, type=FilePlace)
    except (msgspec.DecodeError, RecursionError):
        return None
    if place.form > FORM:
        raise VerificationFailed(f"form {place.form} is that of a later version")
    return place if place.form else None


def schema_of_line(line: bytes) -> tuple[bytes, bytes] | None:
    """Return fingerprint and text of the schema that is this line; None when it is another one."""
    try:
        schema = msgspec.json.decode(line, type=SchemaLine)
        return bytes.fromhex(schema.fingerprint), bytes(schema.definition)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None


def record_of_line(line: bytes) -> tuple[int, Surroundings, bytes]:
    """Return offset, surroundings and value of a record. Raises VerificationFailed when the line is none."""
    try:
        read = _records.decode(line)
        headers = [(str(name), _text(rest)) for name, *rest in read.headers]
        value = b64decode(read.value, validate=True)
    except (ValueError, IndexError, RecursionError) as error:  # msgspec's and binascii's errors are ValueErrors
        raise VerificationFailed("the line is no record with its value") from error
    return read.offset, Surroundings(None if read.key is None else read.key.encode(), headers, read.time), value


def container_header(written: WriterSchema, place: FilePlace, sync: bytes) -> bytes:
    """Return the beginning of a container file whose blocks are compressed with deflate; `sync` is 16 random bytes."""
    metadata = {
        "avro.schema": _encode(written.source),
        "avro.codec": b"deflate",
        PLACE_KEY: line_of_place(place),
    }
    pairs = b"".join(data(name.encode()) + data(value) for name, value in metadata.items())
    return _MAGIC + long(len(metadata)) + pairs + long(0) + sync


def container_block(payloads: Sequence[bytes], sync: bytes) -> bytes:
    """Return a block with these records, as they were encoded."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = compressor.compress(b"".join(payloads)) + compressor.flush()
    return long(len(payloads)) + data(packed) + sync


def _header(name: str, value: bytes | None) -> list[str | None]:
    if value is None:
        return [name, None]
    try:
        return [name, value.decode()]
    except UnicodeDecodeError:
        return [name, None, b64encode(value).decode()]


def _text(rest: Iterable[str | None]) -> bytes | None:
    match list(rest):
        case [None]:
            return None
        case [str(text)]:
            return text.encode()
        case [None, str(packed)]:
            return b64decode(packed, validate=True)
        case _:
            raise ValueError("a header is name and value")


def metadata_place(metadata: dict[str, Any]) -> FilePlace | None:
    """Return the FilePlace in the metadata of a container, None when there is none. Raises as `place_of_line`."""
    text = metadata.get(PLACE_KEY)
    return None if text is None else place_of_line(text if isinstance(text, bytes) else str(text).encode())
