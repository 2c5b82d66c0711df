"""Erases chats: asks the shards that own them, waits until Kafka has removed what they deleted, says what is left.

The audit topic is written when the shards are asked, in one transaction, and when it is known what became of it. The
holds that are there are read under the same transactional id: a hold comes before all of that, or after it, and knows.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bridge import factories
from bridge.adapters.kafka.partitioner import partitions_of
from bridge.adapters.kafka.stored_text_producer import StoredTextProducer
from bridge.capture.erasure_requests import request_record
from bridge.capture.ports import Outgoing
from bridge.commands.erased_logs import not_gone, remembered_chats
from bridge.commands.progress import Progress
from bridge.commands.remaining_texts import remaining_texts
from bridge.commands.stored_values import StoredValues
from bridge.commands.stored_waiting import PublishedWait
from bridge.commands.verb_calls import audit_of
from bridge.connection_factory import connection_of
from bridge.records.audit_chain import ERASED, NOT_YET_GONE, REFUSED_HELD, REFUSED_OPEN, REQUESTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.commands.remaining_texts import RemainingTexts
    from bridge.commands.verb_calls import VerbCall
    from bridge.config import Config

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0


@dataclass(slots=True)
class ErasedChat:
    """What became of one chat: `outcome` is a word of the audit topic. `held_by` is who holds it, if that is why."""

    session_id: str
    outcome: str
    request: str
    held_by: str = ""
    remaining: list[RemainingTexts] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "sessionId": self.session_id,
            "outcome": self.outcome,
            "request": self.request,
            "heldBy": self.held_by or None,
            "remaining": [one.plain() for one in self.remaining],
        }


async def erase_chats(config: Config, call: VerbCall, session_ids: Sequence[str], limit: float) -> list[ErasedChat]:
    """Erase chats, and wait at most `limit` seconds until their keys and checkpoints are gone from the logs.

    Raises KafkaUnavailable: what was asked may still be done then, and the same call can be made again.
    """
    found: dict[str, ErasedChat] = {}
    async with StoredValues(config.schema_registry) as values:
        wanted = await _asked(config, call, session_ids, values, found)
        if wanted:
            await _erase(config, call, wanted, values, found, limit)
    erased = [one.session_id for one in found.values() if one.outcome in {ERASED, NOT_YET_GONE}]
    if erased:
        for session_id, left in (await remaining_texts(config, erased)).items():
            found[session_id].remaining = left
    if wanted:
        async with await audit_of(config) as audit:
            await audit.append(_entries(call, [found[one] for one in wanted]))
    return [found[one] for one in session_ids]


async def _asked(
    config: Config, call: VerbCall, session_ids: Sequence[str], values: StoredValues, found: dict[str, ErasedChat]
) -> list[str]:
    """Note what is refused, and return what is not, once the audit topic has both and the shards have done it."""
    remembered = await remembered_chats(config, values, session_ids)
    topic = factories.names_of(config).stored
    partitions = await factories.topics_of(config).partitions(topic)
    async with PublishedWait.of(config, partitions, wanted=True) as waiting:
        async with await audit_of(config) as audit:
            holds = audit.chain.holds()
            for one in session_ids:
                if one in holds:
                    found[one] = ErasedChat(one, REFUSED_HELD, call.request, f"{holds[one].who}: {holds[one].reason}")
                elif remembered.get(one):
                    found[one] = ErasedChat(one, REFUSED_OPEN, call.request)
            wanted = [one for one in session_ids if one not in found]
            asked = [call.entry(REQUESTED, wanted)] if wanted else []
            # In one transaction: no hold can come between the entry and a request, which a shard may take days later.
            numbers = factories.numbers_of(config, partitions)
            requests = [request for one in wanted for request in _requests(topic, numbers, one, call.request)]
            for sent in await audit.append([*_entries(call, list(found.values())), *asked], requests):
                waiting.expect(sent.partition, sent.offset)
        if wanted:
            await waiting.all_published()
    return wanted


def _requests(topic: str, numbers: Sequence[int], session_id: str, request: str) -> list[Outgoing]:
    """Return the records that ask each shard to erase a chat that may have it."""
    key = session_id.encode()
    headers, value = request_record(request)
    return [Outgoing(topic, partition, key, value, headers) for partition in partitions_of([key], numbers)]


def _entries(call: VerbCall, chats: Sequence[ErasedChat]) -> list[Any]:
    """Return an entry for each outcome."""
    outcomes = dict.fromkeys(one.outcome for one in chats)
    return [call.entry(outcome, [one.session_id for one in chats if one.outcome == outcome]) for outcome in outcomes]


async def _erase(  # noqa: PLR0913, PLR0917 - what a call is about
    config: Config,
    call: VerbCall,
    wanted: Sequence[str],
    values: StoredValues,
    found: dict[str, ErasedChat],
    limit: float,
) -> None:
    until = time.monotonic() + limit
    remembered = await remembered_chats(config, values, wanted)
    for one in wanted:  # opened again since it was looked at
        found[one] = ErasedChat(one, REFUSED_OPEN if one in remembered else ERASED, call.request)
    left = [one for one in wanted if one not in remembered]
    progress = Progress("chats that Kafka has removed", len(left))
    pause = _FIRST_PAUSE
    while still := await not_gone(config, left):
        progress.reached(0, len(left) - len(still))
        if time.monotonic() + pause > until:
            for one in still:
                found[one].outcome = NOT_YET_GONE
            break
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        # Kafka closes a segment only when something is written to its log: what is asked again is deleted again.
        await _ask_again(config, call, sorted(still))
    progress.end()


async def _ask_again(config: Config, call: VerbCall, session_ids: Sequence[str]) -> None:
    """Let the shards delete again what they have deleted. Raises KafkaUnavailable."""
    count = await factories.topics_of(config).partitions(factories.names_of(config).stored)
    numbers = factories.numbers_of(config, count)
    producer: StoredTextProducer[str] = StoredTextProducer(connection_of(config))
    try:
        await producer.open()
        for one in session_ids:
            for partition in partitions_of([key := one.encode()], numbers):
                await producer.send(one, key, [request_record(call.request, again=True)], partition)
        await producer.flush()
    finally:
        await producer.close()
