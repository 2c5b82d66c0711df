"""Password, client certificates and authorities are replaced while chats are captured, the former ones revoked."""

from __future__ import annotations

import shutil
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bridge.addresses import split_address
from bridge.sandbox.process import LOOPBACK
from bridge.simulator.harness.ledger import read_ledger
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT
from tests.integration.e2e_environment import captured, environment_on, reasons
from tests.support.certificates import Authority
from tests.support.processes import wait_for
from tests.support.secured_broker import MECHANISM, PASSWORD, USER, SecuredBroker
from tests.support.tls_address import TlsAddress

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Bridge, Simulator

READ_AGAIN = ("kafka_password", "kafka_tls", "chat_server_tls")
EXPIRY = "chatbridge_certificate_expiry_timestamp_seconds"
NEW_PASSWORD = "the-password-that-follows"


class Mounted:
    """The files of a bridge, as an orchestrator mounts them: those of one authority and one password at a time."""

    def __init__(self, folder: Path, authority: Authority, password: str) -> None:
        self._folder = folder
        folder.mkdir()
        self.replace(authority, password)

    def replace(self, authority: Authority, password: str) -> None:
        issued = authority.issue("mounted")
        for name, source in (
            ("ca.pem", authority.file),
            ("certificate.pem", issued.certificate_file),
            ("key.pem", issued.key_file),
        ):
            shutil.copyfile(source, self._folder / f"{name}.next")
            (self._folder / f"{name}.next").replace(self._folder / name)
        (self._folder / "password").write_text(f"{password}\n", encoding="ascii")

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "kafka__client__ssl_cafile": self._folder / "ca.pem",
            "kafka__client__ssl_certfile": self._folder / "certificate.pem",
            "kafka__client__ssl_keyfile": self._folder / "key.pem",
            "kafka__client__sasl_plain_password_file": self._folder / "password",
            "sources__chat_server__tls__enabled": "true",
            "sources__chat_server__tls__ca_file": self._folder / "ca.pem",
            "sources__chat_server__tls__certificate_file": self._folder / "certificate.pem",
            "sources__chat_server__tls__key_file": self._folder / "key.pem",
            "sources__chat_server__max_sessions_per_connection": 1,  # each new chat needs a new connection
        }


def gets_in(broker: SecuredBroker, trusted: Authority, own: Authority, password: str) -> bool:
    """Whether another client gets in that trusts one authority, and shows this password and a certificate of `own`."""
    issued = own.issue("other-client")
    admin = AdminClient(
        {
            "bootstrap.servers": broker.address("SECURED"),
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": MECHANISM,
            "sasl.username": USER,
            "sasl.password": password,
            "ssl.ca.location": str(trusted.file),
            "ssl.certificate.location": str(issued.certificate_file),
            "ssl.key.location": str(issued.key_file),
            "log_level": 0,
        }
    )
    try:
        admin.list_topics(timeout=3)
    except KafkaException:
        return False
    return True


def revoke(broker: SecuredBroker, following: Authority) -> None:
    """Start the broker again with certificate and trusted authority of `following`, and with the new password."""
    broker.set_password(NEW_PASSWORD)
    shutil.copyfile(following.issue("server").store_file, broker.server.store_file)
    shutil.copyfile(following.file, broker.trusted_file)
    broker.restart()


def link_opens(address: TlsAddress, trusted: Authority, own: Authority) -> bool:
    """Whether another client gets a connection that trusts one authority, and shows a certificate of `own`."""
    issued = own.issue("other-link")
    context = ssl.create_default_context(cafile=trusted.file)
    context.load_cert_chain(issued.certificate_file, issued.key_file)
    try:
        with (
            socket.create_connection((LOOPBACK, address.port), 5) as plain,
            context.wrap_socket(plain, server_hostname=LOOPBACK) as encrypted,
        ):
            encrypted.settimeout(1)
            return encrypted.recv(1) != b""  # with TLS 1.3 a refusal arrives only now
    except TimeoutError:  # it waits for us to begin
        return True
    except OSError:
        return False


def read_again(bridge: Bridge) -> bool:
    """Whether the bridge says that it has read all of them again."""
    log = bridge.log.read_text(encoding="utf-8")
    return all(f"secret_read_again kind={kind}" in log for kind in READ_AGAIN)


def opened(chats: Simulator) -> set[str]:
    return set(read_ledger(chats.ledger))


@pytest.mark.timeout(180)
def test_everything_secret_rotates_under_load_and_nothing_is_lost_or_left(tmp_path: Path) -> None:
    (tmp_path / "following").mkdir()
    following = Authority(tmp_path / "following")
    with SecuredBroker(overrides=QUICK_TRANSACTION_TIMEOUT) as broker, TlsAddress(0, broker.authority) as address:
        mounted = Mounted(tmp_path / "mounted", broker.authority, PASSWORD)
        environment = environment_on(broker, tmp_path, kafka__transaction_timeout_seconds=10).prepare()
        for name in [name for name in environment.settings if name.startswith("kafka__client__ssl_")]:
            del environment.settings[name]
        del environment.settings["kafka__client__sasl_plain_password"]
        load: dict[str, Any] = {"concurrent_chats": 6, "events_per_second": 60, "mean_events": 60}
        with (
            environment.simulator(announce_address=f"{LOOPBACK}:{address.port}", **load) as chats,
            environment.bridge(**mounted.settings) as bridge,
        ):
            address.target = split_address(chats.address)[1]
            wait_for(lambda: captured(bridge) > 200, 40, lambda: f"nothing is captured: {reasons(bridge)}")
            held = {session["sessionId"] for session in bridge.sessions() if session["joined"]}
            assert len(held) > 3
            ends = bridge.metric(EXPIRY, which="kafka")

            mounted.replace(following, NEW_PASSWORD)
            wait_for(lambda: read_again(bridge), 10, "it does not say that it has read them again")
            former = broker.authority
            revoke(broker, following)
            address.replace(following)
            assert gets_in(broker, following, following, NEW_PASSWORD)
            assert not gets_in(broker, following, following, PASSWORD)
            assert not gets_in(broker, following, former, NEW_PASSWORD)
            assert not gets_in(broker, former, following, NEW_PASSWORD)
            assert link_opens(address, following, following)
            assert not link_opens(address, following, former)
            assert not link_opens(address, former, following)

            before = opened(chats)
            wait_for(lambda: bridge.ready, 30, lambda: f"not ready: {reasons(bridge)}")
            wait_for(lambda: len(opened(chats) - before) > 6, 30, "no new chats")
            assert bridge.running
            assert bridge.metric(EXPIRY, which="kafka") > ends
            environment.finish(chats)
            complete = {name for name, one in environment.certificates().items() if one["verdict"] == "COMPLETE"}
            assert held - complete == set()
            assert len(complete - before) > 3, "new chats need new links and a new password"
            assert bridge.terminate() == 0
