"""Credentials for Kafka: rotated while the bridge runs, wrong, and of a kind that managed clusters ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bridge.sandbox import LocalBroker
from bridge.sandbox.process import LOOPBACK, free_ports
from tests.field.field_environment import (
    E2EEnvironment,
    captured,
    capturing,
    command,
    preconditions,
    reconfigure,
    reported,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.field

LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_bridge="{}";'


class PasswordBroker:
    """A broker with a second listener, on which one user has one password."""

    def __init__(self, broker: LocalBroker) -> None:
        self._broker = broker
        [self._port] = free_ports(1)

    @property
    def address(self) -> str:
        """Of the listener that asks for the password."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def open_address(self) -> str:
        return self._broker.bootstrap_servers

    def take(self, password: str) -> None:
        """Start the broker again with another password."""
        added = {
            "listeners": f"SASL://{self.address}",
            "advertised.listeners": f"SASL://{self.address}",
            "listener.security.protocol.map": "SASL:SASL_PLAINTEXT",
        }

        def change(values: dict[str, str]) -> None:
            for name, value in added.items():
                if value not in values[name]:
                    values[name] += f",{value}"
            values["sasl.enabled.mechanisms"] = "PLAIN"
            values["listener.name.sasl.plain.sasl.jaas.config"] = LOGIN.format(password)

        reconfigure(self._broker, change)

    def takes(self, password: str) -> bool:
        """Whether another client gets in with it."""
        login = {"sasl.mechanism": "PLAIN", "sasl.username": "bridge", "sasl.password": password}
        client = AdminClient(
            {"bootstrap.servers": self.address, "security.protocol": "SASL_PLAINTEXT", "log_level": 0, **login}
        )
        try:
            client.list_topics(timeout=5)
        except KafkaException:
            return False
        return True


@pytest.fixture
def password_broker() -> Iterator[PasswordBroker]:
    with LocalBroker() as broker:
        yield PasswordBroker(broker)


def secured(broker: PasswordBroker, secret: Path) -> dict[str, Any]:
    """Settings of a bridge that reads its password from a file."""
    client = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "bridge",
        "sasl_plain_password_file": secret,
    }
    settings: dict[str, Any] = {f"kafka__client__{name}": value for name, value in client.items()}
    return {**settings, "kafka__bootstrap_servers": broker.address}


def rotate(broker: PasswordBroker, old: str, new: str) -> None:
    broker.take(new)
    with preconditions():
        wait_for(lambda: broker.takes(new), 20, "the broker does not take the new password")
        assert not broker.takes(old)


def test_a_rotated_password_is_read_again_from_its_file(password_broker: PasswordBroker, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first-secret", encoding="ascii")
    password_broker.take("first-secret")
    environment = E2EEnvironment(password_broker.open_address, tmp_path, kafka__transaction_timeout_seconds=10)
    with environment.bridge(**secured(password_broker, secret)) as bridge, environment.chats():
        capturing(bridge)
        secret.write_text("second-secret", encoding="ascii")
        rotate(password_broker, "first-secret", "second-secret")
        before = captured(bridge)
        wait_for(lambda: bridge.ready and captured(bridge) > before, 60, lambda: f"not going on: {reported(bridge)}")


def test_oauthbearer_can_be_set() -> None:
    values = ("security_protocol=SASL_SSL", "sasl_mechanism=OAUTHBEARER")
    done = command("config", *(word for value in values for word in ("--set", f"kafka.client.{value}")))
    assert done.returncode == 0, done.stderr
