"""What `erase`, `hold`, `release`, `subject` and `unseal` have in common: who calls, why, and the audit records."""

from __future__ import annotations

import getpass
import secrets
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.kafka.audit_log import audit_log
from bridge.adapters.kafka.rights import principal_of
from bridge.announcement import session_id_problem
from bridge.connection_factory import connection_of
from bridge.errors import UsageError
from bridge.records.audit_chain import AuditEntry
from bridge.records.writer_schemas import WriterSchemas

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from contextlib import AbstractAsyncContextManager

    from bridge.adapters.kafka.audit_log import AuditLog
    from bridge.config import Config

_MAX_REASON: Final = 1_000


def define(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who and why, and in which form the answer is."""
    define_caller(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per line, one for each chat")


def define_caller(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who and why."""
    parser.add_argument("--reason", metavar="TEXT", required=True, help="why; it stands in the audit record")
    parser.add_argument("--who", metavar="NAME", help="who; by default the user of this process and the host")


@dataclass(slots=True, frozen=True)
class VerbCall:
    """One call of a verb. `request` is its name, the same in all of its audit records."""

    verb: str
    who: str
    principal: str
    reason: str
    request: str

    @classmethod
    def of(cls, args: argparse.Namespace, config: Config, verb: str) -> VerbCall:
        """Take it from the arguments. Raises UsageError for a reason that says nothing, or too much, or is no text."""
        reason = args.reason.strip()
        if not reason or len(reason) > _MAX_REASON:
            raise UsageError(f"{verb}: expected --reason TEXT of 1 to {_MAX_REASON} characters")
        who = args.who or f"{_user()}@{socket.gethostname()}"
        check_text(verb, "--reason", reason)
        check_text(verb, "--who", who)
        return cls(verb, who, principal_of(config.kafka.client), reason, secrets.token_hex(16))

    def entry(self, outcome: str, session_ids: Iterable[str], detail: str = "") -> AuditEntry:
        """Return what the audit topic is to say now."""
        return AuditEntry(
            at=time.time_ns() // 1_000,
            verb=self.verb,
            request=self.request,
            outcome=outcome,
            session_ids=tuple(session_ids),
            who=self.who,
            principal=self.principal,
            reason=self.reason,
            detail=detail,
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        return "unknown"


def check_text(verb: str, name: str, text: str) -> None:
    """Raise UsageError for bytes that are no text in the locale's encoding, as of a terminal with another one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{verb}: {name} is no text in this locale", next_step="write it in UTF-8") from None


def checked_ids(verb: str, session_ids: Iterable[str]) -> list[str]:
    """Return session ids, each once. Raises UsageError for what is none."""
    found = list(dict.fromkeys(session_ids))
    for one in found:
        if problem := session_id_problem(one):
            raise UsageError(f"{verb}: {one!r} is no session id: {problem}")
    return found


async def audit_of(config: Config) -> AbstractAsyncContextManager[AuditLog]:
    """Return the audit log, to be entered. Raises EnvironmentFault when its topic does not exist."""
    await factories.topics_of(config).partitions(factories.names_of(config).audit)  # writing could create it
    return audit_log(connection_of(config), WriterSchemas.shipped(), config.site)
