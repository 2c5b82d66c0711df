"""`chatbridge topics`: compares the topics with what is required, or creates and alters them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bridge import factories
from bridge.commands import settings
from bridge.commands.formatting import say, warn
from bridge.commands.interruption import run_until_interrupted
from bridge.errors import EXIT_OK, EXIT_RUNTIME

if TYPE_CHECKING:
    import argparse


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument("action", choices=("plan", "apply"), help="plan: compare only; apply: create and alter")
    parser.add_argument(
        "--allow-shorter", action="store_true", help="also shorten a retention that is longer than the settings say"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    settings.define(
        parser,
        """\
  chatbridge topics plan --bootstrap-servers localhost:9092
  chatbridge topics apply --config bridge.yaml

plan exits 0 when there is nothing to do but to create the topics of erase, hold, release and subject, which `run` does
not need, 1 otherwise. A difference whose correction could lose data or give a chat two
owners (partition count, cleanup.policy) is never changed: exit code 3, with the next step. A retention is only
shortened with --allow-shorter. A setting that Kafka refuses, because of a policy, is left out and named. `run` alters
nothing; it creates what is missing, unless kafka.manage_topics is never.""",
    )


def run(args: argparse.Namespace) -> int:
    """Compare, or create and alter."""
    config = settings.config_of(args)
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
