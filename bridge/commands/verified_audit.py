"""Verifies the chain of the audit topic. The right to read it is enough: nothing is written, and no verb is held up."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge import factories
from bridge.adapters.kafka.topic_reader import reader
from bridge.commands.formatting import escaped, say
from bridge.commands.verification import shown
from bridge.errors import EXIT_OK, EXIT_RUNTIME, VerificationFailed
from bridge.records.audit_chain import AuditChain
from bridge.records.writer_schemas import WriterSchemas

if TYPE_CHECKING:
    from bridge.config import Config

_PARTITION: Final = 0


@dataclass(slots=True)
class VerifiedAudit:
    """What of the topic follows from its first record on; `broken` says what does not, None when all of it does."""

    topic: str
    chain: AuditChain
    broken: str | None = None

    def figures(self) -> dict[str, Any]:
        """Return how much was verified, as JSON has it. Times as the records say them."""
        times = [entry.at for entry in self.chain.entries]
        return {
            "auditRecords": len(times),
            "earliest": shown(min(times)) if times else None,
            "latest": shown(max(times)) if times else None,
        }


async def verify_audit(config: Config) -> VerifiedAudit:
    """Read the topic to its end, or to the first record that does not follow. Raises KafkaUnavailable."""
    topic = factories.names_of(config).audit
    await factories.topics_of(config).partitions(topic)
    done = VerifiedAudit(topic, AuditChain(WriterSchemas.shipped(), config.site))
    async with reader(factories.client_of(config)) as topics:
        async for records in topics.whole(topic, [_PARTITION]):
            for record in records:
                try:
                    done.chain.take(record.value or b"")
                except VerificationFailed as error:
                    done.broken = f"{topic}-{_PARTITION}@{record.offset}: {error.message}; the rest is not verified"
                    return done
    if not done.chain.entries:
        done.broken = f"nothing to verify: {topic} holds no record"
    return done


def report(done: VerifiedAudit, *, as_json: bool) -> int:
    """Print what was found and how much was verified; return the exit code."""
    told = done.figures()
    if as_json:
        say(
            json.dumps(
                {**told, "broken": int(done.broken is not None), "findings": [done.broken] if done.broken else []}
            )
        )
    else:
        if done.broken is not None:
            say(f"BROKEN audit: {escaped(done.broken)}")
        say("not verified: whether the topic was begun anew, or cut off at its end: only a copy elsewhere shows that")
        period = f" from {told['earliest']} to {told['latest']}" if done.chain.entries else ""
        say(f"{told['auditRecords']} audit records{period}: {'ok' if done.broken is None else '1 broken promise'}")
    return EXIT_OK if done.broken is None else EXIT_RUNTIME
