"""On which partition `chatbridge proof` finds a chat that may be on several, since their number was raised."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bridge.commands.proof import ProvedCertificates, proof_of_chat
from bridge.evidence.log_audit import LOG
from bridge.records.findings import Finding

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOT_THERE = ProvedCertificates()
BUNDLE: Any = object()


def found(*proofs: ProvedCertificates, given: bool = False) -> ProvedCertificates:
    async def each() -> AsyncIterator[ProvedCertificates]:
        for one in proofs:
            yield one

    return asyncio.run(proof_of_chat(each(), given=given))


def wrong(message: str, certificates: int = 1) -> ProvedCertificates:
    return ProvedCertificates(certificates, findings=[Finding("", LOG, message)])


def test_a_certificate_that_is_not_proved_is_told_although_the_chat_may_be_elsewhere() -> None:
    told = found(wrong("in no tree"), NOT_THERE)
    assert (told.certificates, [one.message for one in told.findings], told.sound) == (1, ["in no tree"], False)


def test_a_chat_is_proved_where_it_is() -> None:
    proved = ProvedCertificates(1, bundles=[BUNDLE])
    for given in (False, True):
        assert found(NOT_THERE, proved, given=given) is proved
    assert found(wrong("in no tree"), proved, given=True) is proved


def test_certificates_of_files_that_no_log_proves_are_told_of_each_log() -> None:
    told = found(wrong("not covered yet"), wrong("in no tree"), given=True)
    assert ([one.message for one in told.findings], told.sound) == (["not covered yet", "in no tree"], False)


def test_a_wrong_log_is_told_of_a_chat_without_certificates() -> None:
    told = found(wrong("a wrong head", certificates=0), NOT_THERE)
    assert ([one.message for one in told.findings], told.sound) == (["a wrong head"], False)
