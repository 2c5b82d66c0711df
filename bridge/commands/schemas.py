"""`chatbridge schemas`: prints the Avro schemas, or checks or registers them in a schema registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bridge.adapters.schema_registry import SchemaRegistry
from bridge.commands import settings
from bridge.commands.formatting import say
from bridge.commands.interruption import run_until_interrupted
from bridge.errors import EXIT_OK, EXIT_RUNTIME, UsageError
from bridge.output_topics import names_by_output
from bridge.records.avro import Schemas, schema_folder
from bridge.registry_factory import registered_subjects_of, subjects_of

if TYPE_CHECKING:
    import argparse

    from bridge.config import Config


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument(
        "action",
        choices=("print", "check", "register"),
        help="print: to standard output; check: compatibility in the registry; register: in the registry",
    )
    parser.add_argument("--subject", metavar="NAME", help="only this subject (<topic>-value)")
    settings.define(
        parser,
        """\
  chatbridge schemas print --subject chat.transcript.events.v1-value > TranscriptEvent.avsc
  chatbridge schemas check --set schema_registry.url=http://localhost:8081
  chatbridge schemas register --config bridge.yaml

check exits 1 when a schema is incompatible with a registered version. `chatbridge run` registers when it starts.""",
    )


def run(args: argparse.Namespace) -> int:
    """Print, check or register."""
    config = settings.config_of(args)
    schemas = Schemas(schema_folder())
    asked = args.action != "print" and config.schema_registry.urls
    found = registered_subjects_of(config) if asked else subjects_of(names_by_output(config).values())
    subjects = {subject: schemas.text(name) for subject, name in found.items()}
    if args.subject is not None:
        if args.subject not in subjects:
            raise UsageError(f"no subject {args.subject}", next_step=f"known subjects: {', '.join(subjects)}")
        subjects = {args.subject: subjects[args.subject]}
    if args.action == "print":
        texts = [json.loads(text) for text in subjects.values()]
        say(json.dumps(texts[0] if args.subject else dict(zip(subjects, texts, strict=True)), indent=2))
        return EXIT_OK
    return run_until_interrupted(_ask(config, subjects, register=args.action == "register"))


async def _ask(config: Config, subjects: dict[str, str], *, register: bool) -> int:
    compatible = True
    async with SchemaRegistry.from_settings(config.schema_registry) as registry:
        for subject, text in subjects.items():
            if register:
                say(f"{subject}: id {await registry.register(subject, text)}")
                continue
            reasons = await registry.check(subject, text)
            compatible = compatible and not reasons
            say(f"{subject}: {'compatible' if not reasons else 'NOT compatible'}")
            for reason in reasons:
                say(f"  {reason}")
    return EXIT_OK if compatible else EXIT_RUNTIME
