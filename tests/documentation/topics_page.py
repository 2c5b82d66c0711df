"""docs/reference/topics.md: topics from bridge/adapters/kafka, fields of their records from schemas/."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bridge.config import load
from bridge.factories import every_topic, names_of
from bridge.records.avro import AUDIT_RECORD, schema_folder
from bridge.registry_factory import SCHEMA_BY_TOPIC
from tests.documentation.tables import code, table

if TYPE_CHECKING:
    from bridge.adapters.kafka.required_topics import Topic

_HEAD: Final = """\
# Topics and records

`kafka.topic_prefix` is put before each name. Events, sessions and quarantine exist once for each
[output](../outputs.md), which may have a prefix of its own. All topics have the same number of partitions
(`kafka.partitions`), and a chat has the same partition number in each of them: murmur2 of the session id, as in
Kafka's Java client. `chatbridge topics plan` compares a cluster with this table, `chatbridge topics apply` creates
and alters topics; `chatbridge run` only creates those that are missing. Partition counts and cleanup policies of
existing topics are never altered. Topics with three replicas or more get `min.insync.replicas=2`. The topics
`anchors` and `leaves` exist where a signing key is configured (`evidence.signing_key_file`,
`evidence.pkcs11_module`), the topic `keys` where a master key is (`sealing.master_key_file`, `sealing.pkcs11_module`);
they are needed nowhere else. `audit`, which has one partition, and `held` are for the commands that
[erase, hold and export](../erasure.md) chats: `run` neither creates nor needs them.
"""
_KEYS: Final = {
    "quarantine": "sessionId, or the source when no chat is known",
    "checkpoints": "the escaped sessionId, the same with `#` and a part of the checkpoint, `/shard` for the marker of "
    "the shard, `/position/` and a name, or `#schema:<fingerprint>`",
    "anchors": "the partition, as decimal digits",
    "leaves": "name of the tree, `/` and index of the leaf, as decimal digits",
    "audit": "name of the request",
    "keys": "sessionId, or `/partition/` and its number",
}
_SCHEMAS: Final = {**SCHEMA_BY_TOPIC, "audit": AUDIT_RECORD}
_NO_AVRO: Final = {
    "announcements": "[JSON](#announcements)",
    "stored": "[a part of a document](#stored-transcripts)",
    "anchors": "[signed notes](../evidence.md#anchors), UTF-8",
    "leaves": "[hash of a leaf](../evidence.md#the-log), 32 bytes",
    "held": "copies of records of the outputs",
    "keys": "[a wrapped key](../sealing.md#the-topic-of-keys), JSON",
}
_AFTER: Final = """
The announcements and checkpoints topics may hold session passwords, and stored transcripts are not redacted: only the
bridge should have the right to read these three.

## How values are framed

With `schema_registry.url` events, session records and quarantined input have the Confluent wire format (subject
`<topic>-value`, compatibility BACKWARD_TRANSITIVE). Without a registry they have Avro's single-object encoding, and
checkpoints always do. Events and session records carry CloudEvents headers (binary mode).

The header names the schema that wrote the value: read it with that one, and resolve it to yours. Later versions add
fields that have a default, and nothing else; `integrity` stays the last field of an event. The commands of the bridge
know the schemas of their own and of earlier released versions by fingerprint, and any other by its id in the registry.
Each partition of the checkpoints topic also holds the schemas of its checkpoints, keyed `#schema:<fingerprint>`, so
that the version before reads what the next one wrote.

`ce_source` is `/chatbridge/<site>/<kafka.group>`. Together with `ce_id` it identifies a record wherever it is mirrored.

The time of a Kafka record is the time at which it was written, never that of what it is about: that is `occurredAt` and
`observedAt`. Topics that the bridge creates have `message.timestamp.type=LogAppendTime`.

## Ids

| record | `id` |
| --- | --- |
| event | `sessionId:eventId`, in every epoch |
| n-th amendment of an event | `sessionId:eventId:n`; in a later epoch than 0 `sessionId:eventId:epoch.n` |
| GAP, RESUMED | `sessionId:~epoch.sequence` |
| SessionRecord (`ce_id`) | `sessionId:state@epoch.at`; `:lastSequence` follows if its certificate supersedes another |

In an id, the characters `%`, `:`, `~` and `#` of the session id are percent-encoded, so that no two records have the
same one; the record's key and the field `sessionId` hold it as it is. `amendment` is CHANGED when the event came again
with other content (`amends` names the id whose content it replaces), and ID_REUSED when another event came under the
id, as after a restoration: it replaces nothing. `fills` of an event names the GAP that said that it may be missing.

`epoch` is 0 until what the bridge remembered of a chat is lost or has expired and the chat is announced anew: then its
chain begins again with the next epoch, and its events may be there twice, under the same ids.

`kind` is PARTY_JOINED, MESSAGE, NOTICE, PARTY_LEFT, UNKNOWN, GAP or RESUMED. `origin` is LIVE, REPLAY (from a history
after a join) or ARCHIVE (from a stored transcript). Maps of attributes have paths as keys (`userData['context.step']`);
`.`, `\\` and `#` inside a key are escaped with `\\`, the n-th repeat of a key is `key#n`, and the map `...Types` beside
them names the type of every value that is not a string.

## Announcements

One JSON object per record, keyed by the session id; the same object, or a list of up to 1,000, is the body of
`POST /v1/sessions`. On the topic unknown fields are ignored, in a POST they are refused.

| field | value |
| --- | --- |
| `sessionId` | the chat; required |
| `host`, `port` | address of its Chat Server; required |
| `servers` | list of further addresses to try, `host:port` |
| `password` | session password, where the site enforces one |
| `tenant` | name of the tenant |
| `userData` | map of further data about the chat: text, numbers, true or false |
| `announcedAt` | ms since 1970 UTC |

## Stored transcripts

For the bridge alone: on their way to the shard that owns the chat. A value is a piece of the document as it was read,
in UTF-8, neither repaired nor redacted. One that is longer than a record may be lies in several records of the same
key, in order; records of other documents may lie between them. A writer that was cut off begins again with part 1.

| header | value (ASCII but for `place`) |
| --- | --- |
| `place` | where it was read: a file, or database#id; UTF-8, at most 512 bytes, never a password |
| `final` | `1`: the chat is over, and this is its last stored text; `0`: it may still grow |
| `readAt` | when it was read, us since 1970 UTC |
| `missing` | only of a chat of which no text is expected any more: the code of the reason; the value is empty |
| `digest` | SHA-256 of the whole document, in lower-case hexadecimal digits |
| `part`, `parts` | which piece this is, from 1, and of how many |

A record with the header `erase`, the name of a request, and an empty value asks the shard to
[forget](../erasure.md) the chat that is its key.

A document has at most 64 MiB. What has another key, other headers, or a digest that is not that of its pieces is set
aside in the quarantine, with the code STORED_RECORD or STORED_TEXT_INCOMPLETE.
"""


def text() -> str:
    """Return the page."""
    config = load(None, {}, {"evidence.signing_key_file": "signing.pem", "sealing.master_key_file": "master.key"})
    names = names_of(config)
    kinds = {getattr(names, kind): kind for kind in (*_SCHEMAS, *_NO_AVRO)}
    rows = [_topic(topic, kinds[topic.name]) for topic in every_topic(config)]
    files = sorted((file for file in schema_folder().iterdir() if file.is_file()), key=lambda file: file.name)
    schemas = {file.name.removesuffix(".avsc"): json.loads(file.read_text("utf-8")) for file in files}
    first = list(_SCHEMAS.values())
    ordered = [*first, *(name for name in schemas if name not in first)]
    return "\n".join(
        [
            _HEAD,
            table(("topic", "key", "value", "settings by default"), rows),
            _AFTER,
            *(_record(schemas[name]) for name in ordered),
        ]
    )


def _topic(topic: Topic, kind: str) -> tuple[str, str, str, str]:
    value = _NO_AVRO[kind] if kind in _NO_AVRO else _link(_SCHEMAS[kind])
    settings = ", ".join(f"{key}={value}" for key, value in topic.config.items())
    return code(topic.name), _KEYS.get(kind, "sessionId"), value, settings


def _link(name: str) -> str:
    short = name.rpartition(".")[2]
    return f"[{short}](#{short.lower()})"


def _record(schema: dict[str, Any]) -> str:
    rows = [(code(field["name"]), _type(field["type"]), field["doc"]) for field in schema["fields"]]
    return f"## {schema['name']}\n\n{schema['doc']}\n\n{table(('field', 'type', 'meaning'), rows)}\n"


def _type(avro: Any) -> str:
    """Return an Avro type in words."""
    if isinstance(avro, list):
        (inner,) = (part for part in avro if part != "null")
        return f"{_type(inner)} or null"
    if isinstance(avro, str):
        return _link(avro) if "." in avro else avro
    if avro["type"] == "array":
        return f"array of {_type(avro['items'])}"
    if avro["type"] == "map":
        return f"map of {_type(avro['values'])}"
    return f"{avro['type']} ({avro['logicalType']})" if "logicalType" in avro else _type(avro["type"])
