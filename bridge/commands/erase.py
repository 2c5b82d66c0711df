"""`chatbridge erase`: destroys the data keys and checkpoints of chats, and says which records still hold their text."""

from __future__ import annotations

import argparse
import contextlib
import json
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.commands import settings, verb_calls
from bridge.commands.erasing_chats import erase_chats
from bridge.commands.formatting import escaped, say
from bridge.commands.interruption import run_until_interrupted
from bridge.commands.verb_calls import VerbCall, checked_ids
from bridge.errors import EXIT_OK, EXIT_RUNTIME
from bridge.records.audit_chain import ERASED, NOT_YET_GONE, REFUSED_HELD, REFUSED_OPEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.commands.erasing_chats import ErasedChat

WAIT_SECONDS: Final = 1_800.0
_SAID: Final = {
    ERASED: "erased: its checkpoint, and its data key if it had one, are gone from Kafka's logs",
    NOT_YET_GONE: "deleted, but Kafka's logs still hold it; call this again to wait on",
    REFUSED_HELD: "not erased: it is held",
    REFUSED_OPEN: "not erased: it is still open",
}
_CALLED: Final = {
    "events": "events",
    "quarantine": "quarantined input",
    "held": "copies of a held chat",
    "stored": "stored transcripts",
    "announcements": "announcements",
}
"""Kind of RemainingTexts -> what its records are."""


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("sessions", nargs="+", metavar="SESSION", help="id of a chat")
    verb_calls.define(parser)
    define_wait(parser)
    settings.define(
        parser,
        """\
  chatbridge erase 0000SIMA00000001 --reason 'request 4711' --config bridge.yaml
  chatbridge erase 0000SIMA00000001 0000SIMA00000002 --reason 'retention ended' --json

Asks the shard that owns the chat to delete its checkpoint and its data key, and returns when Kafka has compacted both
away. What sealed outputs hold of it cannot be read any more; records that hold its text in clear are listed, and stay
until their retention ends: those of other outputs, stored transcripts and announcements. Copies of a chat that was
held, which are listed, too, stay for ever. A chat that is open or held is refused. A worker has to run. Every step is
in the audit topic. What an erasure does not reach: docs/erasure.md. Exit code 0 when all chats are erased, 1 when one
is not. An id that nobody knows counts as erased, with the same words and exit code 0: nothing of it is there.""",
    )


def define_wait(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how long to wait."""
    parser.add_argument(
        "--wait-seconds",
        metavar="N",
        type=_seconds,
        default=WAIT_SECONDS,
        help=f"how long to wait until Kafka has removed what was deleted; default {WAIT_SECONDS:g}",
    )


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if (seconds := float(text)) >= 0:  # nan is not: it would never be over
            return seconds
    raise argparse.ArgumentTypeError(f"expected a number of seconds, found {text!r}")


def run(args: argparse.Namespace) -> int:
    """Erase the chats, and print what became of each."""
    config = settings.config_of(args)
    call, chats = VerbCall.of(args, config, "erase"), checked_ids("erase", args.sessions)
    work = erase_chats(config, call, chats, args.wait_seconds)
    return report(run_until_interrupted(factories.explained(config, "erase", work)), as_json=args.json)


def report(chats: Sequence[ErasedChat], *, as_json: bool) -> int:
    """Print what became of chats; return the exit code."""
    for one in chats:
        if as_json:
            say(json.dumps(one.plain()))
            continue
        held = f" by {escaped(one.held_by)}" if one.held_by else ""
        say(f"{escaped(one.session_id)}: {_SAID[one.outcome]}{held}")
        for left in one.remaining:
            what = _CALLED[left.kind] + (f" in output {left.output}" if left.output is not None else "")
            say(f"  {left.records:,} records of {what} still hold text: {left.topic}-{left.partition}")
    return EXIT_OK if all(one.outcome == ERASED for one in chats) else EXIT_RUNTIME
