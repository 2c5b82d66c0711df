"""How a chat begins and ends in the outputs: the session records, with its certificate as it is in each of them.

In an output that takes all chats from their beginning on, that is when the chat is opened and closed. In any other one
it may begin later: with OPENED, and with a GAP (OUTPUT_ADDED) in the place of the last record that is not there, so
that no sequence occurs twice. It may end earlier: with CLOSED, and a certificate of what is there (OUTPUT_ENDED).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.capture.ports import Outgoing
from bridge.errors import Problem
from bridge.records.session_records import CLOSED, OPENED
from bridge.transcript.entries import INCOMPLETE, VERDICTS
from bridge.transcript.gap_codes import OUTPUT_ENDED
from bridge.transcript.summary_codes import PART_ONLY

if TYPE_CHECKING:
    from bridge.capture.batch_builder import BatchBuilder
    from bridge.capture.chat import Chat
    from bridge.capture.outputs import ChatOutput
    from bridge.transcript.entries import Certificate, Entry, SessionFacts
    from bridge.transcript.summary import Summary

_ENDED: Final = Problem(OUTPUT_ENDED, "this output takes the chat no longer")


def takes(builder: BatchBuilder, chat: Chat, one: ChatOutput, entry: Entry) -> bool:
    """Tell whether an output takes a record; let the chat begin or end there first, if that is due."""
    if not one.taken:
        if one.open:
            _end(builder, chat, one, chat.transcript.facts, entry.observed_at)
        return False
    if not one.told:
        one.begin(entry.sequence)
        _write(builder, chat, one, OPENED, entry.observed_at)
    if not one.takes(entry):
        return False
    if not one.open:
        _begin(builder, chat, one, entry.sequence, entry.observed_at)
    return True


def opened(builder: BatchBuilder, chat: Chat, at: int) -> None:
    """Record that a chat was opened; `at` in us since 1970 UTC."""
    for one in chat.outputs:
        if not one.taken:
            continue
        if one.open:
            one.begin(one.first)
            _write(builder, chat, one, OPENED, at)
        else:
            _begin(builder, chat, one, chat.transcript.sequence + 1, at)


def closed(builder: BatchBuilder, chat: Chat, at: int, certificate: Certificate) -> str:
    """Record that a chat was closed, with its certificate as it is in each output; `at` in us since 1970 UTC.

    Return the lowest verdict of an output that has all of it.
    """
    verdict = certificate.verdict
    for one in chat.outputs:
        if not one.taken:
            if one.open:
                _end(builder, chat, one, chat.transcript.facts, at)
            continue
        if not one.open:
            _begin(builder, chat, one, chat.transcript.sequence + 1, at)
        own = one.certificate(certificate, builder.partition)
        _certify(builder, chat, one, at, own)
        if one.held is None:
            verdict = max(verdict, own.verdict, key=VERDICTS.index)
    return verdict


def end_where_not_taken(builder: BatchBuilder, chat: Chat, before: SessionFacts, at: int) -> None:
    """End a chat in the outputs that take it no longer, because something of it has become known or has changed.

    `before` is what was known of it until then: nothing newer is recorded there. `at` in us since 1970 UTC.
    """
    for one in chat.outputs:
        if one.open and not one.taken:
            _end(builder, chat, one, before, at)


def _begin(builder: BatchBuilder, chat: Chat, one: ChatOutput, sequence: int, at: int) -> None:
    """Begin a chat in an output, for the first time or again; the record that follows has this sequence."""
    one.begin(sequence)
    _write(builder, chat, one, OPENED, at)
    if sequence - 1 > one.last:
        builder.record(chat, one, one.gap_of_beginning(sequence - 1, at))


def _end(builder: BatchBuilder, chat: Chat, one: ChatOutput, facts: SessionFacts, at: int) -> None:
    held = one.held
    if held is None:
        return
    certificate = held.certificate(chat.transcript.certificate(_ENDED, over=False), one.gaps)
    own = replace(certificate, offsets=one.offsets.ranges(one.output.topics, builder.partition))
    _certify(builder, chat, one, at, own, facts=facts)
    held.ended = True


def _certify(  # noqa: PLR0913 - the record
    builder: BatchBuilder,
    chat: Chat,
    one: ChatOutput,
    at: int,
    certificate: Certificate,
    *,
    facts: SessionFacts | None = None,
) -> None:
    if one.held is None:
        summary = chat.transcript.summary(missing=certificate.verdict == INCOMPLETE)
    else:
        summary = PART_ONLY
        one.held.certified = certificate.last_sequence
    _write(builder, chat, one, CLOSED, at, certificate=certificate, summary=summary, facts=facts)
    one.certified = True


def _write(  # noqa: PLR0913 - the fields of the record
    builder: BatchBuilder,
    chat: Chat,
    one: ChatOutput,
    state: str,
    at: int,
    *,
    certificate: Certificate | None = None,
    summary: Summary | str | None = None,
    facts: SessionFacts | None = None,
) -> None:
    recorder, topic, output = one.recorder, one.output.topics["sessions"], one.output
    if certificate is None:
        recorder.begin()
    payload = recorder.session_record(
        state,
        facts or chat.transcript.facts,
        at,
        certificate,
        summary=summary,
        part=output.part,
        room=builder.room(topic),
    )
    value = output.payload_headers["sessions"] + payload
    headers = recorder.session_headers(state, at, certificate)
    record = Outgoing(topic, builder.partition, recorder.key, value, headers)
    builder.write(record)
    if certificate is not None:
        builder.certified(record)
