"""`chatbridge acls`: prints the rights on Kafka that each command needs, in the form of the tool that grants them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.kafka.rights import COMMANDS_WITH_RIGHTS, OUTPUT_READERS, by_resource, principal_of
from bridge.commands import settings
from bridge.commands.formatting import say
from bridge.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from bridge.adapters.kafka.rights import ResourceRights
    from bridge.config import Config

_EVERY: Final = "all"
_ADMINISTRATOR: Final = "admin.properties"
_DEFAULT_PRINCIPAL: Final = "User:chatbridge"
_STRIMZI_KINDS: Final = {
    "topic": "topic",
    "group": "group",
    "transactional id": "transactionalId",
    "cluster": "cluster",
}
_TERRAFORM_KINDS: Final = {
    "topic": "Topic",
    "group": "Group",
    "transactional id": "TransactionalID",
    "cluster": "Cluster",
}


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument(
        "--for", dest="command", choices=(*COMMANDS_WITH_RIGHTS, _EVERY), default=_EVERY, help="which command"
    )
    parser.add_argument("--format", choices=tuple(_FORMATS), default="kafka-acls", help="for which tool")
    parser.add_argument(
        "--principal",
        metavar="USER",
        help="User:NAME; by default that of the settings, or User:chatbridge when they have none",
    )
    settings.define_output(parser, "rights to read this output only; by default, all of them")
    settings.define(
        parser,
        """\
  chatbridge acls --config bridge.yaml --for run
  chatbridge acls --for run --format strimzi --principal User:bridge
  chatbridge acls --for verify --format terraform
  chatbridge acls --for tail --output masked --principal User:analytics

Names come from the settings: topic prefix, group, and whether topics are created (kafka.manage_topics). These are all
the rights that are needed; Kafka derives Describe from Read, Write and Alter. strimzi: a KafkaUser; terraform: the
resource kafka_acl of the provider Mongey/kafka.""",
    )


def run(args: argparse.Namespace) -> int:
    """Print the rights."""
    config = settings.config_of(args)
    client = config.kafka.client
    own = principal_of(client) if client.get("sasl_plain_username") else _DEFAULT_PRINCIPAL
    principal = own if args.principal is None else args.principal
    if ":" not in principal:
        raise UsageError(f"acls: --principal {principal!r}: expected User:NAME")
    commands = COMMANDS_WITH_RIGHTS if args.command == _EVERY else (args.command,)
    for command in commands:
        needed = _needed(config, command, all_outputs=args.output is None)
        for line in _FORMATS[args.format](config, command, needed, principal):
            say(line)
    return EXIT_OK


def _needed(config: Config, command: str, *, all_outputs: bool) -> list[ResourceRights]:
    return by_resource(
        factories.needed_rights(config, command, all_outputs=all_outputs or command not in OUTPUT_READERS)
    )


def _kafka_acls(config: Config, command: str, needed: Iterable[ResourceRights], principal: str) -> Iterator[str]:
    yield f"# chatbridge {command}"
    cluster = f"--bootstrap-server {config.kafka.bootstrap_servers}"
    if config.kafka.client.get("security_protocol", "PLAINTEXT") != "PLAINTEXT":
        yield f"# {_ADMINISTRATOR}: the client file of an administrator of Kafka, not of chatbridge"
        cluster = f"{cluster} --command-config {_ADMINISTRATOR}"
    for one in needed:
        yield f"kafka-acls {cluster} {one.kafka_acls(principal)}"


def _strimzi(_: Config, command: str, needed: Iterable[ResourceRights], principal: str) -> Iterator[str]:
    yield f"# chatbridge {command}; Strimzi before 0.49: kafka.strimzi.io/v1beta2"
    yield "---"
    yield "apiVersion: kafka.strimzi.io/v1"
    yield "kind: KafkaUser"
    yield "metadata:"
    yield f"  name: {principal.removeprefix('User:').removeprefix('CN=')}"
    yield "  labels:"
    yield "    strimzi.io/cluster: YOUR-CLUSTER"
    yield "spec:"
    yield "  authorization:"
    yield "    type: simple"
    yield "    acls:"
    for one in needed:
        pattern = "prefix" if one.prefixed else "literal"
        name = "" if one.kind == "cluster" else f", name: {one.name!r}, patternType: {pattern}"
        yield f"      - resource: {{type: {_STRIMZI_KINDS[one.kind]}{name}}}"
        yield f"        operations: [{', '.join(one.operations)}]"


def _terraform(_: Config, command: str, needed: Iterable[ResourceRights], principal: str) -> Iterator[str]:
    yield f"# chatbridge {command}"
    for one in needed:
        for operation in one.operations:
            words = (command, one.kind, one.name, operation)
            label = "".join(letter if letter.isalnum() else "_" for letter in "-".join(words).lower())
            yield f'resource "kafka_acl" "{label}" {{'
            yield f'  resource_name                = "{one.name}"'
            yield f'  resource_type                = "{_TERRAFORM_KINDS[one.kind]}"'
            yield f'  resource_pattern_type_filter = "{"Prefixed" if one.prefixed else "Literal"}"'
            yield f"  acl_principal                = {_terraform_text(principal)}"
            yield '  acl_host                     = "*"'
            yield f'  acl_operation                = "{operation}"'
            yield '  acl_permission_type          = "Allow"'
            yield "}"


def _terraform_text(text: str) -> str:
    """Return a text as a literal, in which nothing is a template."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


_FORMATS: Final[dict[str, Callable[[Config, str, Iterable[ResourceRights], str], Iterator[str]]]] = {
    "kafka-acls": _kafka_acls,
    "strimzi": _strimzi,
    "terraform": _terraform,
}
