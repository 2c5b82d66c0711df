"""What a user of a broker with permissions is granted, on the resources of one test."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from bridge.adapters.kafka.rights import CLUSTER
from bridge.cli import main
from bridge.config import load
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment, captured, reasons
from tests.support.kafka_tools import SECONDS
from tests.support.processes import wait_for
from tests.support.secured_broker import USER, SecuredBroker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bridge.config import Config
    from tests.support.processes import Bridge

_Arguments = ParamSpec("_Arguments")

RETURNED_SECONDS = 15
"""After rights have come back, shards are taken within this time."""
DENIED_SECONDS = 10
"""A command without rights ends within this time after the first denial."""

PRINCIPAL = f"User:{USER}"
RESOURCES = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
    "--cluster": ResourceType.BROKER,
}
OPERATIONS = {each.name.replace("_", "").lower(): each for each in AclOperation}
Granted = tuple[str, str, str, bool]
"""Kind of resource as an option of `kafka-acls`, its name, an operation, whether the name is a prefix."""


@dataclass(frozen=True)
class Tried:
    """Which commands a test runs with exactly their rights, and which without each of them in turn."""

    exact: frozenset[str]
    lessened: frozenset[str]


TRIED: dict[str, Tried] = {}
"""What the tests that were imported say of themselves, by their names."""


def tries(
    *exact: str, lessened: Sequence[str] = ()
) -> Callable[[Callable[_Arguments, None]], Callable[_Arguments, None]]:
    """Say which commands a test tries; it fails when its `rights` were used for others, or not for all of them."""
    said = Tried(frozenset(exact), frozenset(lessened))

    def decorate(test: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
        TRIED[f"{test.__module__}.{test.__qualname__}"] = said

        @wraps(test)
        def checked(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
            rights = kwargs["rights"]
            assert isinstance(rights, Rights)
            test(*args, **kwargs)
            assert Tried(frozenset(rights.exact), frozenset(rights.lessened)) == said

        return checked

    return decorate


class Rights:
    """The rights of one user on the resources of one test. `exact` and `lessened`: what was tried, as `Tried` says."""

    def __init__(self, broker: SecuredBroker, environment: E2EEnvironment) -> None:
        self.environment = environment
        self._broker = broker
        self._admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        self._present: set[Granted] = set()
        self.exact: set[str] = set()
        self.lessened: set[str] = set()

    @property
    def flags(self) -> list[str]:
        values = {
            **{name.replace("__", "."): value for name, value in self.environment.settings.items()},
            "kafka.topic_prefix": self.environment.prefix,
            "kafka.group": f"{self.environment.prefix}bridge",
            "kafka.partitions": PARTITIONS,
        }
        return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]

    def printed(self, command: str) -> list[Granted]:
        """Return what `chatbridge acls` prints for a command."""
        with redirect_stdout(io.StringIO()) as printed:  # here, for it is asked often
            assert main(["acls", "--for", command, *self.flags]) == 0
        found: list[Granted] = []
        for line in printed.getvalue().splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            assert words[words.index("--allow-principal") + 1] == PRINCIPAL
            [option] = [word for word in words if word in RESOURCES]
            name = CLUSTER if option == "--cluster" else words[words.index(option) + 1]
            operations = [words[at + 1] for at, word in enumerate(words) if word == "--operation"]
            found += [(option, name, operation, "prefixed" in words) for operation in operations]
        return found

    def only(self, rights: Sequence[Granted]) -> None:
        """Grant these, withdraw all others of this test, and wait until the broker knows."""
        wanted = set(rights)
        withdrawn, new = self._present - wanted, wanted - self._present
        if withdrawn:
            for done in self._admin.delete_acls([self._filter(one) for one in withdrawn]).values():
                done.result(SECONDS)
        if new:
            for done in self._admin.create_acls([self._binding(one) for one in new]).values():
                done.result(SECONDS)
        self._present = wanted
        wait_for(self._known, SECONDS, "the broker does not know the rights")

    def exactly(self, command: str) -> None:
        """Grant what is printed for a command, and nothing else: the test runs it then."""
        self.only(self.printed(command))
        self.exact.add(command)

    def each_missing(self, command: str) -> Iterator[Granted]:
        """Grant what is printed for a command but for one right, which is yielded; one right after the other."""
        needed = self.printed(command)
        assert needed
        for right in needed:
            self.only([one for one in needed if one != right])
            yield right
        self.lessened.add(command)

    def denials(self) -> list[str]:
        """Return the lines of the broker's authorizer log about denials to the user on resources of this test."""
        log = self._broker.nodes[0].directory / "server.log"
        lines = log.read_text("utf-8").splitlines()
        return [line for line in lines if f"{PRINCIPAL} is Denied" in line and self.environment.prefix in line]

    def denied_at(self) -> list[float]:
        """Return when something was denied, in seconds since 1970 UTC: of each line of `denials`."""
        stamps = [line.split()[0].replace(",", ".") for line in self.denials()]
        return [datetime.fromisoformat(stamp).astimezone().timestamp() for stamp in stamps]

    def _known(self) -> bool:
        everything = AclBindingFilter(
            ResourceType.ANY,
            None,  # type: ignore[arg-type]  # any name, as its documentation has it
            ResourcePatternType.ANY,
            PRINCIPAL,
            None,  # type: ignore[arg-type]  # any host, likewise
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        found = self._admin.describe_acls(everything).result(SECONDS)
        ours = {str(one) for one in found if one.name.startswith((self.environment.prefix, CLUSTER))}
        return ours == {str(self._binding(one)) for one in self._present}

    @staticmethod
    def _arguments(
        right: Granted,
    ) -> tuple[ResourceType, str, ResourcePatternType, str, str, AclOperation, AclPermissionType]:
        option, name, operation, prefixed = right
        pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
        code = OPERATIONS[operation.lower()]
        return RESOURCES[option], name, pattern, PRINCIPAL, "*", code, AclPermissionType.ALLOW

    def _binding(self, right: Granted) -> AclBinding:
        return AclBinding(*self._arguments(right))

    def _filter(self, right: Granted) -> AclBindingFilter:
        return AclBindingFilter(*self._arguments(right))


def chatbridge(*words: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def missing(right: Granted) -> str:
    """Return the middle of the sentence that names a right."""
    option, name, operation, _ = right
    kind = option.removeprefix("--").replace("-", " ")
    return rf"Kafka denies {PRINCIPAL}: (.*; )?(\w+ and )*{operation}( and \w+)* on {kind} {re.escape(name)}"


def grants(right: Granted) -> str:
    """Return what the next step says of a right."""
    option, name, operation, _ = right
    return f"--operation {operation} {option} {name}"


def settings_of(rights: Rights) -> Config:
    """Return the settings that the flags of a test give."""
    return load(None, {}, dict(word.split("=", 1) for word in rights.flags[1::2]))


def wait_until_captured(bridge: Bridge, seconds: float) -> None:
    """Wait until it is ready and goes on capturing."""
    began, before = time.monotonic(), captured(bridge)
    wait_for(lambda: bridge.ready, seconds, lambda: str(reasons(bridge)))
    wait_for(lambda: captured(bridge) > before, seconds - (time.monotonic() - began), "not captured")
