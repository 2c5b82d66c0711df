"""`chatbridge verify`: checks the records on the events and sessions topics, or in files, chat by chat."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.timestamping.stamp_checks import StampChecks
from bridge.commands import settings, verified_audit
from bridge.commands.formatting import escaped, say
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.proof import read_keys
from bridge.commands.verification import Selection
from bridge.commands.verified_audit import verify_audit
from bridge.commands.verified_files import verify_files
from bridge.commands.verified_topics import verify_topics
from bridge.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_RUNTIME, UsageError
from bridge.records.findings import SCHEMA

if TYPE_CHECKING:
    from bridge.commands.verification import Verification
    from bridge.records.findings import Finding

_LABELS: Final[dict[str | bool, str]] = {True: "BROKEN ", False: "remark ", SCHEMA: "unread "}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="files or folders, in place of the topics")
    parser.add_argument("--chat", metavar="ID", type=settings.chat_id, help="only this chat")
    parser.add_argument("--since", metavar="TIME", type=_time, help="only chats opened or closed at this time or later")
    parser.add_argument("--until", metavar="TIME", type=_time, help="only chats opened or closed before this time")
    parser.add_argument("--keys", metavar="FILE", type=Path, help="public keys, one a line, or a list of keys")
    parser.add_argument(
        "--timestamp-ca", metavar="FILE", type=Path, help="check time stamps of heads with these certificates, PEM"
    )
    parser.add_argument(
        "--audit", action="store_true", help="the chain of the audit topic, in place of the transcripts"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    settings.define_output(parser)
    settings.define(
        parser,
        """\
  chatbridge verify --config bridge.yaml
  chatbridge verify --chat 0000SIMA00000001 --json
  chatbridge verify --since 2026-11-01 --until 2026-11-02T06:00:00Z
  chatbridge verify exported/ --keys keys.txt
  chatbridge verify --audit --config bridge.yaml

Reads the events and sessions topics to their ends, or files of `chatbridge export` (others: docs/verify.md), and checks
every chat: hash chain, sequence numbers without holes, each id once, ids in order, certificates, the partition, key and
headers of each record. Records are read with the schema that wrote them, which schema_registry.url or this version has
to know. Exit code 0 when all that was read is sound, with how much that was and what it does not show; 1 when a promise
is broken, or there is nothing to verify; 3 when none is but something cannot be read. A chat whose beginning retention
may have deleted is only a remark; where nothing can have been deleted, the missing beginning is a broken promise. A
window selects chats by their session records; a selected chat is checked whole. Times without a zone are UTC. With
--keys every session record has to be signed by one of them, and what the signed log says has to be on the topics.""",
    )


def run(args: argparse.Namespace) -> int:
    """Check, and print the findings."""
    if args.audit:
        return _audit(args)
    selection = Selection(args.chat, args.since, args.until)
    keys = read_keys(args.keys) if args.keys else []
    check_stamp = StampChecks.with_file(args.timestamp_ca, "--timestamp-ca") if args.timestamp_ca else None
    if check_stamp is not None and not keys:
        raise UsageError("verify: --timestamp-ca goes with --keys")
    if args.files:
        done = verify_files(args.files, selection, keys, check_stamp)
    else:
        config = settings.config_of(args)
        read = verify_topics(config, selection, keys, check_stamp)
        done = run_until_interrupted(factories.explained(config, "verify", read))
    return report(done, selection, as_json=args.json)


def _audit(args: argparse.Namespace) -> int:
    if args.files or args.keys or args.timestamp_ca or args.output or str(Selection(args.chat, args.since, args.until)):
        raise UsageError("verify: --audit goes with --json only: it is about the audit topic as a whole")
    config = settings.config_of(args)
    done = run_until_interrupted(factories.explained(config, "verify --audit", verify_audit(config)))
    return verified_audit.report(done, as_json=args.json)


def report(done: Verification, selection: Selection, *, as_json: bool) -> int:
    """Print what was found and how much was verified; return the exit code."""
    findings = done.findings(selection)
    broken = sum(finding.broken for finding in findings)
    unread = done.verifier.unread
    if as_json:
        found = [
            {"sessionId": each.session_id, "promise": each.promise, "message": each.message, "broken": each.broken}
            for each in findings
        ]
        told = {**done.figures(), "broken": broken, "notVerified": list(done.unchecked()), "findings": found}
        say(json.dumps(told))
    else:
        for finding in findings:
            say(_line(finding))
        for limit in done.unchecked():
            say(f"not verified: {limit}")
        verdicts = [f"{broken} broken promises"] if broken else []
        if unread:
            verdicts.append(f"{unread} records cannot be read, their chats are not verified")
        say(f"{_extent(done)}: {'; '.join(verdicts) or 'ok'}")
    if broken:
        return EXIT_RUNTIME
    return EXIT_ENVIRONMENT if unread else EXIT_OK


def _line(finding: Finding) -> str:
    label = _LABELS.get(finding.promise) or _LABELS[finding.broken]
    return f"{label} {finding.promise}: {escaped(str(finding))}"


def _extent(done: Verification) -> str:
    told = done.figures()
    parts = [
        f"{told['chats']} chats, {told['records']} records, {told['sessionRecords']} session records",
        f"{told['certificates']} certificates",
    ]
    if told["earliest"] is not None:
        parts.append(f"observed from {told['earliest']} to {told['latest']}")
    if told["leftOut"]:
        parts.append(f"{told['leftOut']} chats left out")
    return ", ".join(parts)


def _time(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a time such as 2026-11-01 or 2026-11-01T06:00:00Z: {text!r}") from None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (at - _EPOCH) // timedelta(microseconds=1)
