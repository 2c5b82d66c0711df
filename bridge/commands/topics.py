"""`chatbridge topics`: compares the topics with what is required, creates, alters, or gives them more partitions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bridge import factories
from bridge.commands import settings
from bridge.commands.formatting import say, warn
from bridge.commands.interruption import run_until_interrupted
from bridge.errors import EXIT_OK, EXIT_RUNTIME, UsageError

if TYPE_CHECKING:
    import argparse

    from bridge.config import Config


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument(
        "action",
        choices=("plan", "apply", "grow"),
        help="plan: compare only; apply: create and alter; grow: raise the number of partitions",
    )
    parser.add_argument("--partitions", metavar="N", type=int, help="grow: the new number of all topics")
    parser.add_argument("--dry-run", action="store_true", help="grow: check everything, and raise nothing")
    parser.add_argument(
        "--allow-shorter", action="store_true", help="also shorten a retention that is longer than the settings say"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    settings.define(
        parser,
        """\
  chatbridge topics plan --bootstrap-servers localhost:9092
  chatbridge topics apply --config bridge.yaml
  chatbridge topics grow --partitions 24 --dry-run --config bridge.yaml

plan exits 0 when there is nothing to do but to create the topics of erase, hold, release and subject, which `run` does
not need, 1 otherwise. A difference whose correction could lose data or give a chat two
owners (partition count, cleanup.policy) is never changed: exit code 3, with the next step. A retention is only
shortened with --allow-shorter. A setting that Kafka refuses, because of a policy, is left out and named. `run` alters
nothing; it creates what is missing, unless kafka.manage_topics is never.

grow raises all topics on a running installation, in three steps: name the present number in kafka.partitions_before of
all workers and commands; replace the workers one after the other; call grow. It refuses (exit code 2 or 3, nothing
raised) as long as a shard is not ready. New chats go by the new number; a chat that exists, open or remembered, stays
on its partition. Kafka cannot take partitions away again: nothing undoes this. When it was interrupted, the same call
goes on; until then workers capture, and only a start waits.""",
    )


def run(args: argparse.Namespace) -> int:
    """Compare, create and alter, or raise the number of partitions."""
    config = settings.config_of(args)
    if (args.action == "grow") != (args.partitions is not None) or (args.dry_run and args.action != "grow"):
        raise UsageError("topics: --partitions N goes with grow, and --dry-run with both")
    if args.action == "grow":
        return _grow(config, args)
    topics = factories.all_topics_of(config)
    applying = args.action == "apply"
    work = topics.apply if applying else topics.plan
    plan = run_until_interrupted(
        factories.explained(config, f"topics {args.action}", work(allow_shorter=args.allow_shorter))
    )
    if args.json:
        told = {
            "changes": [str(change) for change in plan.changes],
            "mismatches": [reason.detail for reason in plan.reasons],
            "warnings": [{"code": warning.code, "detail": warning.detail} for warning in plan.warnings],
        }
        say(json.dumps(told))
    else:
        for change in plan.changes:
            say(f"{'done: ' if applying else ''}{change}")
        for warning in plan.warnings:
            warn(str(warning))
        if not plan.changes and not plan.reasons:
            say("all topics are as required")
    plan.check()
    of_run = {topic.name for topic in factories.wanted_topics(config)}
    needed = [change for change in plan.changes if not change.create or change.topic.name in of_run]
    return EXIT_OK if applying or not needed else EXIT_RUNTIME


def _grow(config: Config, args: argparse.Namespace) -> int:
    # It reads what shards say, and the other actions need nothing of that.
    from bridge.commands.growing_topics import raise_topics  # noqa: PLC0415

    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if not args.json:
            say(line)

    work = raise_topics(config, args.partitions, dry_run=args.dry_run, tell=tell)
    run_until_interrupted(factories.explained(config, "topics grow", work))
    if args.json:
        say(json.dumps({"partitions": args.partitions, "dryRun": args.dry_run, "steps": told}))
    return EXIT_OK
