"""Reads what the logs of all outputs hold of the chats of a shard."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING, Any

from bridge.capture import readiness_codes as codes
from bridge.capture.outputs import log_topics
from bridge.capture.published_outputs import PublishedOutputs
from bridge.errors import Problem, VerificationFailed
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.payload_framing import unframe

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.outputs import Output
    from bridge.capture.ports import ShardLogs, StoredRecord
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.records.shard_facts import Logs, ShardFacts


class OutputLogs:
    """The events and sessions of one shard in all outputs. Every method raises KafkaUnavailable."""

    def __init__(self, logs: ShardLogs, settings: SessionStoreSettings) -> None:
        """`settings` name the outputs and the schemas."""
        self._logs = logs
        self._settings = settings
        self.progress: Callable[[Problem], None] = lambda _: None

    async def published(
        self, seen: Logs, before: ShardFacts | None, known: Callable[[str], tuple[int, int]]
    ) -> PublishedOutputs:
        """Return what was published since the look `before`, None: what is there, up to the look `seen`.

        `known` returns epoch and sequence of a chat of the store. Of an output that there was not at the look before,
        all is read, but only to find out where its chains end.
        """
        found, whole = PublishedOutputs(self._settings.outputs, cache(known)), before is None
        for output in self._settings.outputs:
            kind = output.log_kind("events")
            new = before is not None and kind not in before.logs
            since, end = first_unread(kind, seen, before), seen[kind].end
            async for records in self._logs.read(kind, since, end):
                for record in records:
                    found.event(output, self._decoded(output, "events", record), new=new)
                if whole and records:
                    detail = f"reading what was published: {records[-1].offset - since + 1} of {end - since} offsets"
                    self.progress(Problem(codes.STATE_LOST, detail))
            if seen[kind].start > 0 and found.each[output.name].events:
                found.truncated.add(output.name)
        for output in self._settings.outputs:
            kind = output.log_kind("sessions")
            new = before is not None and output.log_kind("events") not in before.logs
            async for records in self._logs.read(kind, first_unread(kind, seen, before), seen[kind].end):
                for record in records:
                    found.session(output, self._decoded(output, "sessions", record), new=new)
        return found

    async def hold(self, plan: TransactionPlan, seen: Logs, before: ShardFacts | None) -> bool:
        """Return whether the records of a plan are on their topics."""
        for kind, topic in log_topics(self._settings.outputs).items():
            if written := plan.batch.on(topic):
                async for records in self._logs.read(kind, first_unread(kind, seen, before), seen[kind].end):
                    if any(record.value == written[-1].value for record in records):
                        return True
                return False
        return False

    def _decoded(self, output: Output, kind: str, record: StoredRecord) -> dict[str, Any]:
        value, name = record.value or b"", TRANSCRIPT_EVENT if kind == "events" else SESSION_RECORD
        writer, payload = unframe(value)
        if value.startswith(output.payload_headers[kind]):
            with contextlib.suppress(VerificationFailed):  # a registry that is another one now may give an id again
                return self._settings.writers.schemas.decode(name, payload)
        return self._settings.writers.decode_own(name, payload, writer)


def first_unread(kind: str, seen: Logs, before: ShardFacts | None) -> int:
    """Return the offset of the first record after a look; without one, of the first that is there."""
    there, marked = seen[kind], None if before is None else before.logs.get(kind)
    return there.start if marked is None or marked.end > there.end else max(marked.end, there.start)
