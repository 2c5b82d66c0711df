"""`chatbridge subject`: finds the chats of a person, exports them, erases or holds them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bridge import factories
from bridge.commands import erase, hold, settings, verb_calls
from bridge.commands.erasing_chats import erase_chats
from bridge.commands.export import write_files
from bridge.commands.formatting import escaped, say, warn
from bridge.commands.held_chats import hold_chats
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.subject_chats import chats_of
from bridge.commands.verb_calls import VerbCall, audit_of, check_text
from bridge.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_RUNTIME, EnvironmentFault, UsageError
from bridge.output_topics import with_first
from bridge.records.audit_chain import EXPORTED, FOUND, REQUESTED
from bridge.subject_factory import recognised_subjects

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Sequence

    from bridge.commands.subject_chats import SubjectChat
    from bridge.config import Config


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument(
        "action",
        choices=("find", "export", "erase", "hold"),
        help="find: list the chats; export: write their records to files; erase, hold: as the commands of that name",
    )
    parser.add_argument("value", metavar="VALUE", help="what identifies the person; - reads it from standard input")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="export: where to write; made if it is missing")
    verb_calls.define(parser)
    erase.define_wait(parser)
    settings.define(
        parser,
        """\
  chatbridge subject find jane@example.com --reason 'request 4710' --config bridge.yaml
  echo jane@example.com | chatbridge subject export - --out access --reason 'request 4711'
  chatbridge subject erase jane@example.com --reason 'request 4712' --json

Finds chats by the keyed hashes in session records: of the attributes in privacy.subjects, as they were when the chat
was captured. VALUE is compared without case and with blanks joined. Chats whose session records have expired, or were
written without the setting, are not found. Who has searched or done what, and why, is in the audit topic before
anything is shown; VALUE is not. Exit code 0 when all was done, 1 when no chat was found or one was refused, 3 when a
session record cannot be read.""",
    )


def run(args: argparse.Namespace) -> int:
    """Find the chats, and do what is asked with them."""
    config = settings.config_of(args)
    verb = f"subject {args.action}"
    if not config.privacy.subjects:
        raise UsageError(f"{verb}: privacy.subjects is not set: no session record says whose chat it is")
    if (args.action == "export") != (args.out is not None):
        raise UsageError(f"{verb}: --out FOLDER goes with export, and only with it")
    call = VerbCall.of(args, config, verb)
    value = _value(verb) if args.value == "-" else args.value
    check_text(verb, "VALUE", value)
    hashes = recognised_subjects(config).searched(value)
    if not hashes:
        raise UsageError(f"{verb}: VALUE is empty")
    searching = _searched(config, call, hashes, only=args.action == "find")
    found, unread = run_until_interrupted(factories.explained(config, verb, searching))
    if not found:
        warn("no chat was found: the session records that are left have no such hash")
        return EXIT_ENVIRONMENT if unread else EXIT_RUNTIME
    code = _show(found, as_json=args.json) if args.action == "find" else _do(config, call, found, args)
    return EXIT_ENVIRONMENT if unread else code


def _value(verb: str) -> str:
    try:
        return sys.stdin.readline()
    except UnicodeDecodeError:
        raise UsageError(f"{verb}: VALUE is no text in this locale", next_step="write it in UTF-8") from None


async def _searched(
    config: Config, call: VerbCall, hashes: Collection[str], *, only: bool
) -> tuple[list[SubjectChat], int]:
    """Return what `chats_of` does. What is not followed by a step of its own is in the audit topic as a search.

    `only`: nothing but the search was asked for.
    """
    found, unread = await chats_of(config, hashes)
    if only or not found:
        detail = f"{len(found)} chats; {unread} session records could not be read"
        async with await audit_of(config) as audit:
            await audit.append([call.entry(FOUND, [one.session_id for one in found], detail)])
    return found, unread


def _show(found: Sequence[SubjectChat], *, as_json: bool) -> int:
    for one in found:
        plain = one.plain()
        outputs = ", ".join(one.outputs)
        say(json.dumps(plain) if as_json else f"{plain['at']} {one.state:6} {escaped(one.session_id)} in {outputs}")
    return EXIT_OK


def _do(config: Config, call: VerbCall, found: Sequence[SubjectChat], args: argparse.Namespace) -> int:
    chats = [one.session_id for one in found]
    if args.action == "erase":
        erasing = erase_chats(config, call, chats, args.wait_seconds)
        erased = run_until_interrupted(factories.explained(config, call.verb, erasing))
        return erase.report(erased, as_json=args.json)
    if args.action == "hold":
        held = run_until_interrupted(factories.explained(config, call.verb, hold_chats(config, call, chats)))
        return hold.report(held, as_json=args.json)
    exporting = _export(config, call, found, args.out)
    written = run_until_interrupted(factories.explained(config, call.verb, exporting))
    for session_id, records in written.items():
        plain = {"sessionId": session_id, "outcome": EXPORTED, "request": call.request, "records": records}
        say(json.dumps(plain) if args.json else f"{escaped(session_id)}: {records:,} records written to {args.out}")
    return EXIT_OK


async def _export(config: Config, call: VerbCall, found: Sequence[SubjectChat], folder: Path) -> dict[str, int]:
    """Write the records of each chat to a folder of its own, one below it for each output; return their numbers."""
    chats = [one.session_id for one in found]
    async with await audit_of(config) as audit:
        await audit.append([call.entry(REQUESTED, chats)])
    written: dict[str, int] = {}
    for one in found:
        written[one.session_id] = 0
        for output in one.outputs:
            place = folder / f"chat-{one.session_id}" / output
            try:
                place.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise EnvironmentFault(f"{place} cannot be made: {error.strerror}") from error
            written[one.session_id] += await write_files(with_first(config, output), place, "jsonl", one.session_id)
    async with await audit_of(config) as audit:
        await audit.append([call.entry(EXPORTED, chats, f"{sum(written.values())} records")])
    return written
