"""`chatbridge release`: allows the erasure of chats again that were held."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bridge import factories
from bridge.commands import settings, verb_calls
from bridge.commands.formatting import escaped, say
from bridge.commands.held_chats import release_chats
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.verb_calls import VerbCall, checked_ids
from bridge.errors import EXIT_OK

if TYPE_CHECKING:
    import argparse


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="id of a chat")
    verb_calls.define(parser)
    settings.define(
        parser,
        """\
  chatbridge release 0000SIMA00000001 --reason 'case 12/2031 is closed' --config bridge.yaml

The copies of the chat on the held topic stay: who owns that topic deletes them. Releasing a chat that is not held
changes nothing, but is in the audit topic, too.""",
    )


def run(args: argparse.Namespace) -> int:
    """Release the chats."""
    config = settings.config_of(args)
    call, chats = VerbCall.of(args, config, "release"), checked_ids("release", args.sessions)
    released = run_until_interrupted(factories.explained(config, "release", release_chats(config, call, chats)))
    for one in released:
        say(json.dumps(one.plain()) if args.json else f"{escaped(one.session_id)}: released")
    return EXIT_OK
