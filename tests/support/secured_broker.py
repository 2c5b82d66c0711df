"""Apache Kafka as others run it: TLS, passwords, client certificates and permissions.

The listener of `bootstrap_servers` stays open and its clients may do everything: with it tests create topics, grant
rights and read what was written. A bridge uses one of the others, as a user who may do what it was granted.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from bridge.sandbox import LocalBroker, LocalCluster
from bridge.sandbox.process import LOOPBACK, free_ports
from tests.support.certificates import Authority, Issued

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from bridge.sandbox.node import Node

USER: Final = "bridge"
PASSWORD: Final = "a-password-of-the-tests"
MECHANISM: Final = "SCRAM-SHA-512"
_PROTOCOLS: Final = {"SECURED": "SASL_SSL", "MUTUAL": "SSL", "EXPIRED": "SSL", "OPEN": "SASL_PLAINTEXT"}
_SECONDS: Final = 60
_ATTEMPT_SECONDS: Final = 10
_ITERATIONS: Final = 4096


class SecuredCluster(LocalCluster):
    """Brokers with five listeners each for clients.

    `SECURED`: TLS and a SCRAM password; a client certificate that is shown has to be valid. `MUTUAL`: TLS with a client
    certificate. `EXPIRED`: TLS with a server certificate that has expired. `OPEN`: a SCRAM password without TLS. And
    the one of `bootstrap_servers`. Each start has ports and certificates of its own.
    """

    authority: Authority
    server: Issued
    expired: Issued
    client: Issued
    trusted_file: Path  #: whose certificates it takes; read when it starts
    _ports: Mapping[tuple[int, str], int] = MappingProxyType({})  # by node, from 1, and listener
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> None:
        super().start()
        try:
            self.set_password(PASSWORD)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        super().stop()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _start(self, program: Path, ports: list[int]) -> None:
        places = [(number, listener) for number in range(1, self._count + 1) for listener in _PROTOCOLS]
        self._ports = dict(zip(places, free_ports(len(places)), strict=True))
        self._folder = tempfile.TemporaryDirectory(prefix="chatbridge-certificates-")
        self.authority = Authority(Path(self._folder.name))
        self.server = self.authority.issue("server")
        self.expired = self.authority.issue("expired", expired=True)
        self.client = self.authority.issue(USER)
        self.trusted_file = Path(self._folder.name) / "trusted.pem"
        shutil.copyfile(self.authority.file, self.trusted_file)
        super()._start(program, ports)

    def address(self, listener: str, host: str = LOOPBACK) -> str:
        """Return the addresses of all brokers' listeners of this name, as Kafka clients take them."""
        return ",".join(f"{host}:{port}" for (_, name), port in self._ports.items() if name == listener)

    @property
    def scram(self) -> dict[str, Any]:
        """`kafka.client` of a user with a password over TLS."""
        return {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": MECHANISM,
            "sasl_plain_username": USER,
            "sasl_plain_password": PASSWORD,
            "ssl_cafile": str(self.authority.file),
        }

    @property
    def mutual(self) -> dict[str, Any]:
        """`kafka.client` of a user with a certificate."""
        return {
            "security_protocol": "SSL",
            "ssl_cafile": str(self.authority.file),
            "ssl_certfile": str(self.client.certificate_file),
            "ssl_keyfile": str(self.client.key_file),
        }

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of a bridge that connects with TLS and a password, as flags of the test's processes."""
        client = {f"kafka__client__{name}": value for name, value in self.scram.items()}
        return {**client, "kafka__bootstrap_servers": self.address("SECURED")}

    def set_password(self, password: str) -> None:
        """Give the user this password; from now on new connections need it."""
        change = UserScramCredentialUpsertion(
            USER, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, _ITERATIONS), password.encode()
        )
        self._administer(lambda admin: admin.alter_user_scram_credentials([change]))

    def grant(self, prefix: str) -> None:
        """Allow the user everything on topics, groups and transactional ids with this prefix."""
        rules = [
            AclBinding(
                kind,
                prefix,
                ResourcePatternType.PREFIXED,
                f"User:{USER}",
                "*",
                AclOperation.ALL,
                AclPermissionType.ALLOW,
            )
            for kind in (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID)
        ]
        self._administer(lambda admin: admin.create_acls(rules))

    def _administer(self, ask: Callable[[AdminClient], Mapping[Any, Future[Any]]]) -> None:
        """Do what may be done twice. A client that asks while a paused broker is still taken for gone asks no more."""
        deadline = time.monotonic() + _SECONDS
        while True:
            admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
            try:
                for done in ask(admin).values():
                    done.result(_ATTEMPT_SECONDS)
            except (TimeoutError, KafkaException):
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def _settings(self, node: Node, voters: str) -> dict[str, str]:
        settings = super()._settings(node, voters)
        places = [f"{listener}://{LOOPBACK}:{self._ports[node.number, listener]}" for listener in _PROTOCOLS]
        for name in ("listeners", "advertised.listeners"):
            settings[name] = ",".join([settings[name], *places])
        protocols = [f"{listener}:{protocol}" for listener, protocol in _PROTOCOLS.items()]
        settings["listener.security.protocol.map"] = ",".join([settings["listener.security.protocol.map"], *protocols])
        for listener, protocol in _PROTOCOLS.items():
            settings |= self._listener(f"listener.name.{listener.lower()}.", listener, protocol)
        return {
            **settings,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",  # whoever comes through the open listener
            "sasl.enabled.mechanisms": MECHANISM,
            "inter.broker.listener.name": "PLAINTEXT",
        }

    def _listener(self, prefix: str, listener: str, protocol: str) -> dict[str, str]:
        found: dict[str, str] = {}
        if protocol.endswith("SSL"):
            server = self.expired if listener == "EXPIRED" else self.server
            found |= {
                f"{prefix}ssl.keystore.type": "PEM",
                f"{prefix}ssl.keystore.location": str(server.store_file),
                f"{prefix}ssl.truststore.type": "PEM",
                f"{prefix}ssl.truststore.location": str(self.trusted_file),
                f"{prefix}ssl.client.auth": "required" if listener == "MUTUAL" else "requested",
                f"{prefix}ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/,DEFAULT",
            }
        if protocol.startswith("SASL"):
            login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            found[f"{prefix}{MECHANISM.lower()}.sasl.jaas.config"] = login
        return found


class SecuredBroker(SecuredCluster, LocalBroker):
    """One such broker, which tests can kill, restart, pause and resume."""
