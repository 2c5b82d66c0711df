"""`chatbridge hold`: blocks the erasure of chats, and copies their records to a topic without retention."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bridge import factories
from bridge.commands import settings, verb_calls
from bridge.commands.formatting import escaped, say
from bridge.commands.held_chats import hold_chats
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.verb_calls import VerbCall, checked_ids
from bridge.errors import EXIT_OK, EXIT_RUNTIME

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from bridge.commands.held_chats import HeldChat


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="id of a chat")
    verb_calls.define(parser)
    settings.define(
        parser,
        """\
  chatbridge hold 0000SIMA00000001 --reason 'case 12/2031' --config bridge.yaml

A chat that is held is not erased until `chatbridge release` names it. Its records of all outputs are copied as they are
to the held topic, from which nothing is deleted; what comes later is copied when the chat is held again. Sealed records
stay sealed. The copies and the audit record are written in one transaction. An erasure that was requested before, and
of which no command has told that it is done, comes first: the hold is too late then, and the exit code is 1. An id
that nobody knows is held, too, with exit code 0: that no records were copied, now or before, shows it.""",
    )


def run(args: argparse.Namespace) -> int:
    """Hold the chats, and print what was copied of each."""
    config = settings.config_of(args)
    call, chats = VerbCall.of(args, config, "hold"), checked_ids("hold", args.sessions)
    return report(
        run_until_interrupted(factories.explained(config, "hold", hold_chats(config, call, chats))), as_json=args.json
    )


def report(chats: Sequence[HeldChat], *, as_json: bool) -> int:
    """Print what became of chats; return the exit code."""
    for one in chats:
        if as_json:
            say(json.dumps(one.plain()))
            continue
        before = "; an erasure of it was requested before" if one.erasing else ""
        before += ", which this hold does not stop" if one.late else ""
        say(f"{escaped(one.session_id)}: held; {one.copied:,} records copied, {one.there:,} were copied before{before}")
    return EXIT_RUNTIME if any(one.late for one in chats) else EXIT_OK
