"""Password, client certificates and authorities are replaced while chats are captured, the former ones revoked."""

from __future__ import annotations

import base64
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bridge.adapters.kafka.partitioner import partition_of
from bridge.addresses import split_address
from bridge.sandbox.process import LOOPBACK, free_ports
from bridge.simulator.harness.ledger import read_ledger
from bridge.transcript.completeness import EXPECTED_CLASSES
from bridge.transcript.gap_codes import NOT_IN_REPLAY, OVER_WHILE_AWAY
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment, captured, environment_on, reasons
from tests.integration.mounted_secrets import HTTP_TOKENS, REGISTRY_PATH, Mounted
from tests.support.certificates import Authority
from tests.support.processes import Bridge, wait_for
from tests.support.registry_gate import RegistryGate
from tests.support.secured_broker import MECHANISM, PASSWORD, USER, SecuredBroker
from tests.support.shown_ends import shown_ends
from tests.support.tls_address import TlsAddress
from tests.support.written_values import WrittenValues

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Simulator

READ_AGAIN = ("kafka_password", "kafka_tls", "chat_server_tls")
OF_KAFKA_AND_CHATS = ("kafka", "kafka_ca", "chat_server", "chat_server_ca")
OF_REGISTRY_AND_HTTP = ("http", "registry", "registry_ca")
NEW_PASSWORD = "the-password-that-follows"
GIVEN = {"token": 200, "read_token": 200, "announce_token": 400, "metrics_token": 200}
"""What each token is answered: the test announces nothing, which is no announcement."""


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


@pytest.mark.timeout(240)
def test_everything_secret_rotates_under_load_and_nothing_is_lost_or_left(tmp_path: Path) -> None:
    (tmp_path / "following").mkdir()
    following = Authority(tmp_path / "following", days=2)
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
            assert shown_ends(bridge) == mounted.ends_of(*OF_KAFKA_AND_CHATS)

            mounted.replace(following, NEW_PASSWORD)
            wait_for(lambda: read_again(bridge), 40, "it does not say that it has read them again")
            former = broker.authority
            revoke(broker, following)
            address.replace(following)
            wait_for(lambda: gets_in(broker, following, following, NEW_PASSWORD), 30, "nobody gets in")
            assert not gets_in(broker, following, following, PASSWORD)
            assert not gets_in(broker, following, former, NEW_PASSWORD)
            assert not gets_in(broker, former, following, NEW_PASSWORD)
            assert link_opens(address, following, following)
            assert not link_opens(address, following, former)
            assert not link_opens(address, former, following)

            before = opened(chats)
            wait_for(lambda: bridge.ready, 60, lambda: f"not ready: {reasons(bridge)}")
            wait_for(lambda: len(opened(chats) - before) > 6, 60, "no new chats")
            assert bridge.running
            assert shown_ends(bridge) == mounted.ends_of(*OF_KAFKA_AND_CHATS)
            environment.finish(chats)
            complete = {name for name, one in environment.certificates().items() if one["verdict"] != "INCOMPLETE"}
            assert held - complete == set()
            assert len(complete - before) > 3, "new chats need new links and a new password"
            assert bridge.terminate() == 0


def taken(password: str) -> tuple[str, str]:
    """Return the headers by which a registry knows a worker with a token, and one with user and password."""
    return f"Bearer {password}", "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode("ascii")


class EncryptedBridge(Bridge):
    """A bridge whose HTTP has TLS and tokens; a test asks as whoever holds the administrator's, unless it says more."""

    before_end = None  # reads HTTP without TLS
    mounted: ClassVar[Mounted]

    def asked(self, request: urllib.request.Request, seconds: float) -> tuple[int, bytes]:
        self.tls = ssl.create_default_context(cafile=self.mounted.folder / "ca.pem")
        if not request.has_header("Authorization"):
            token = (self.mounted.folder / "token").read_text(encoding="ascii").strip()
            request.add_header("Authorization", f"Bearer {token}")
        return super().asked(request, seconds)

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self.port}"


def answers(bridge: Bridge, password: str) -> dict[str, int]:
    """Return the status that each token is answered, as it is with this password."""
    found = {}
    for one, (method, path) in HTTP_TOKENS.items():
        headers = {"Authorization": f"Bearer {one}-{password}", "Content-Type": "application/json"}
        found[one] = bridge.asked(urllib.request.Request(bridge.url + path, headers=headers, method=method), 10)[0]
    return found


def waits_for_the_registry(bridge: Bridge) -> None:
    """Wait until a worker says that it cannot use the registry, for which it waits."""
    wait_for(
        lambda: b"REGISTRY_UNAVAILABLE" in bridge.get("/readyz")[1] or not bridge.running,
        30,
        lambda: f"it got in: {bridge.get('/readyz')[1]!r}",
    )
    assert bridge.running, bridge.log.read_text(encoding="utf-8")[-2000:]


def shard_of(session_id: str) -> int:
    return partition_of(session_id.encode(), PARTITIONS)


def verified(environment: E2EEnvironment, settings: dict[str, Any]) -> int:
    """Return the exit code of `verify` with these settings of a registry."""
    flags = {"kafka__bootstrap_servers": environment.broker, "kafka__topic_prefix": environment.prefix, **settings}
    words = [f"{name.replace('__', '.')}={value}" for name, value in flags.items() if not name.startswith("http")]
    command = [sys.executable, "-m", "bridge", "verify", *(word for each in words for word in ("--set", each))]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


@pytest.mark.timeout(240)
def test_credentials_of_registry_and_http_rotate_under_load_and_no_chat_notices(
    broker: str, registry: str, tmp_path: Path
) -> None:
    for name in ("former", "following"):
        (tmp_path / name).mkdir()
    former, following = Authority(tmp_path / "former"), Authority(tmp_path / "following", days=2)
    mounted = EncryptedBridge.mounted = Mounted(tmp_path / "mounted", former, PASSWORD)
    environment = E2EEnvironment(broker, tmp_path).prepare()
    environment.values = WrittenValues(registry)
    with (
        RegistryGate(registry.removesuffix(REGISTRY_PATH), *taken(PASSWORD)) as gate,
        TlsAddress(gate.port, former) as address,
    ):
        ports = free_ports(1)[0], address.port
        settings, with_user = mounted.registry_and_http(*ports), mounted.registry_and_http(*ports, user=USER)
        with (
            environment.simulator(concurrent_chats=6, events_per_second=60, mean_events=60) as chats,
            environment.bridge(make=EncryptedBridge, **settings) as bridge,
        ):
            wait_for(lambda: captured(bridge) > 100, 40, lambda: f"nothing is captured: {reasons(bridge)}")
            held = {session["sessionId"] for session in bridge.sessions() if session["joined"]}
            assert len(held) > 3
            assert shown_ends(bridge) == mounted.ends_of(*OF_REGISTRY_AND_HTTP)

            # What follows is in force at the registry before it is mounted: who starts now has to wait for it.
            address.replace(following)
            gate.taken = taken(NEW_PASSWORD)
            with (
                environment.bridge("worker-2", make=EncryptedBridge, **settings) as second,
                environment.bridge("worker-3", make=EncryptedBridge, **with_user) as third,
            ):
                for each in (second, third):
                    waits_for_the_registry(each)
                assert set(gate.passed) <= set(taken(PASSWORD))
                before = opened(chats)
                mounted.replace(following, NEW_PASSWORD)
                wait_for(lambda: answers(bridge, NEW_PASSWORD) == GIVEN, 40, lambda: str(answers(bridge, NEW_PASSWORD)))
                assert set(answers(bridge, PASSWORD).values()) == {401}
                assert shows(bridge.port, following)
                assert not shows(bridge.port, former)
                for each in (second, third):
                    each.wait_ready(40)
                assert set(taken(NEW_PASSWORD)) <= set(gate.passed)
                wait_for(lambda: captured(second) + captured(third) > 50, 40, "they capture nothing")
                wait_for(lambda: len(opened(chats) - before) > 6, 60, "no new chats")
                log = bridge.log.read_text(encoding="utf-8")
                assert all(f"secret_read_again kind={kind}" in log for kind in ("registry_tls", "http_tls"))
                assert bridge.running
                assert shown_ends(bridge) == mounted.ends_of(*OF_REGISTRY_AND_HTTP)
                moved = {shard_of(session["sessionId"]) for each in (second, third) for session in each.sessions()}
                environment.finish(chats)
                assert [each.terminate() for each in (second, third, bridge)] == [0, 0, 0]
        # While its shard moves to another worker a chat may lose its end, and what a history does not hold.
        certificates = environment.certificates()
        lacking = {
            name: lacks for name in held if (lacks := set(certificates[name]["reasons"]) - EXPECTED_CLASSES.keys())
        }
        assert {name for name in lacking if shard_of(name) not in moved} == set()
        assert all(some <= {OVER_WHILE_AWAY, NOT_IN_REPLAY} for some in lacking.values()), lacking
        assert verified(environment, settings) == 0
        mounted.replace(following, PASSWORD)
        for former_ones in (settings, with_user):
            refused = gate.refused
            assert verified(environment, former_ones) == 3
            assert gate.refused > refused


def shows(port: int, trusted: Authority) -> bool:
    """Whether a listener shows a certificate that this authority has signed."""
    try:
        ssl.get_server_certificate((LOOPBACK, port), ca_certs=str(trusted.file), timeout=10)
    except ssl.SSLCertVerificationError:
        return False
    return True
