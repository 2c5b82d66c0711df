"""Positions among the checkpoints: read back by this version, and forgotten by the one before."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import fastavro

from bridge.records.avro import SESSION_CHECKPOINT, Schemas, schema_folder
from bridge.records.checkpoint import POSITION_STATE, BatchStamp, encode_position
from bridge.records.checkpoint_keys import head_key, parsed_key, position_key, position_name
from bridge.records.checkpoint_reader import read_position
from bridge.records.payload_framing import single_object
from bridge.records.writer_schemas import WriterSchemas
from tests.released.released_folder import SCHEMAS as SCHEMAS_FOLDER

SCHEMAS = Schemas(schema_folder())
STAMP = BatchStamp(7, 9)


def test_a_position_is_read_back_with_its_stamp() -> None:
    value = single_object(SCHEMAS.fingerprint(SESSION_CHECKPOINT)) + encode_position(b"41@00", 5, STAMP)
    assert read_position(WriterSchemas(SCHEMAS), value) == (b"41@00", STAMP)


def test_its_key_is_that_of_no_chat() -> None:
    assert position_name(position_key("ucs.bookmark")) == "ucs.bookmark"
    assert position_name("/shard") is None
    assert position_name(head_key("0000TEST00000001")) is None


def test_version_0_1_0_takes_it_for_a_chat_that_ended_a_while_ago() -> None:
    (file,) = (SCHEMAS_FOLDER / "released" / "0.1.0").glob("*SessionCheckpoint*")
    today, before = SCHEMAS.whole(SESSION_CHECKPOINT), json.loads(file.read_text("utf-8"))
    record: Any = fastavro.schemaless_reader(BytesIO(encode_position(b"41@00", 5, STAMP)), today, before)
    assert parsed_key(position_key("stored")) == ("/position/stored", None)
    head = record["head"]
    assert (head["state"], head["segments"], head["batch"]) == (POSITION_STATE, 0, STAMP.number)
    assert (record["announcement"], record["seldom"], record["ids"]) == (None, None, None)
