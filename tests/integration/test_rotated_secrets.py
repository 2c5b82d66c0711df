"""Password, client certificates and authorities are replaced while chats are captured, the former ones revoked."""

from __future__ import annotations

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
from tests.support.certificates import Authority
from tests.support.processes import Bridge, wait_for
from tests.support.registry_gate import RegistryGate
from tests.support.secured_broker import MECHANISM, PASSWORD, USER, SecuredBroker
from tests.support.tls_address import TlsAddress
from tests.support.written_values import WrittenValues

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Simulator

READ_AGAIN = ("kafka_password", "kafka_tls", "chat_server_tls")
EXPIRY = "chatbridge_certificate_expiry_timestamp_seconds"
NEW_PASSWORD = "the-password-that-follows"
REGISTRY_PATH = "/apis/ccompat/v7"
HTTP_TOKENS = {
    "token": ("GET", "/v1/sessions"),
    "read_token": ("GET", "/v1/sessions"),
    "announce_token": ("POST", "/v1/sessions"),
    "metrics_token": ("GET", "/metrics"),
}
"""Setting of a token -> what it is for."""
GIVEN = {"token": 200, "read_token": 200, "announce_token": 400, "metrics_token": 200}
"""What each token is answered: the test announces nothing, which is no announcement."""


class Mounted:
    """The files of a bridge, as an orchestrator mounts them: those of one authority and one password at a time."""

    def __init__(self, folder: Path, authority: Authority, password: str) -> None:
        self.folder = folder
        folder.mkdir()
        self.replace(authority, password)

    def replace(self, authority: Authority, password: str) -> None:
        issued = authority.issue("mounted")
        for name, source in (
            ("ca.pem", authority.file),
            ("certificate.pem", issued.certificate_file),
            ("key.pem", issued.key_file),
        ):
            shutil.copyfile(source, self.folder / f"{name}.next")
            (self.folder / f"{name}.next").replace(self.folder / name)
        (self.folder / "password").write_text(f"{password}\n", encoding="ascii")
        for one in HTTP_TOKENS:
            (self.folder / one).write_text(f"{one}-{password}\n", encoding="ascii")

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "kafka__client__ssl_cafile": self.folder / "ca.pem",
            "kafka__client__ssl_certfile": self.folder / "certificate.pem",
            "kafka__client__ssl_keyfile": self.folder / "key.pem",
            "kafka__client__sasl_plain_password_file": self.folder / "password",
            "sources__chat_server__tls__enabled": "true",
            "sources__chat_server__tls__ca_file": self.folder / "ca.pem",
            "sources__chat_server__tls__certificate_file": self.folder / "certificate.pem",
            "sources__chat_server__tls__key_file": self.folder / "key.pem",
            "sources__chat_server__max_sessions_per_connection": 1,  # each new chat needs a new connection
        }

    def registry_and_http(self, *registries: int) -> dict[str, Any]:
        """Return the settings of a registry at these ports, and of a listener with TLS; the password is each token."""
        return {
            "schema_registry__url": ",".join(f"https://{LOOPBACK}:{port}{REGISTRY_PATH}" for port in registries),
            "schema_registry__auth__bearer_token_file": self.folder / "password",
            "schema_registry__tls__ca_file": self.folder / "ca.pem",
            "schema_registry__tls__certificate_file": self.folder / "certificate.pem",
            "schema_registry__tls__key_file": self.folder / "key.pem",
            "http__tls__certificate_file": self.folder / "certificate.pem",
            "http__tls__key_file": self.folder / "key.pem",
            **{f"http__{one}_file": self.folder / one for one in HTTP_TOKENS},
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


@pytest.mark.timeout(240)
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
            wait_for(lambda: read_again(bridge), 40, "it does not say that it has read them again")
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
            wait_for(lambda: bridge.ready, 60, lambda: f"not ready: {reasons(bridge)}")
            wait_for(lambda: len(opened(chats) - before) > 6, 60, "no new chats")
            assert bridge.running
            assert bridge.metric(EXPIRY, which="kafka") > ends
            environment.finish(chats)
            complete = {name for name, one in environment.certificates().items() if one["verdict"] != "INCOMPLETE"}
            assert held - complete == set()
            assert len(complete - before) > 3, "new chats need new links and a new password"
            assert bridge.terminate() == 0


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
    former, following = Authority(tmp_path / "former"), Authority(tmp_path / "following")
    mounted = EncryptedBridge.mounted = Mounted(tmp_path / "mounted", former, PASSWORD)
    environment = E2EEnvironment(broker, tmp_path).prepare()
    environment.values = WrittenValues(registry)
    with (
        RegistryGate(registry.removesuffix(REGISTRY_PATH), f"Bearer {PASSWORD}") as gate,
        TlsAddress(gate.port, former) as address,
    ):
        settings = mounted.registry_and_http(free_ports(1)[0], address.port)
        with (
            environment.simulator(concurrent_chats=6, events_per_second=60, mean_events=60) as chats,
            environment.bridge(make=EncryptedBridge, **settings) as bridge,
        ):
            wait_for(lambda: captured(bridge) > 100, 40, lambda: f"nothing is captured: {reasons(bridge)}")
            held = {session["sessionId"] for session in bridge.sessions() if session["joined"]}
            assert len(held) > 3

            # What follows is in force at the registry before it is mounted: who starts now has to wait for it.
            address.replace(following)
            gate.authorization = f"Bearer {NEW_PASSWORD}"
            passed = gate.passed
            with environment.bridge("worker-2", make=EncryptedBridge, **settings) as second:
                wait_for(
                    lambda: b"REGISTRY_UNAVAILABLE" in second.get("/readyz")[1] or not second.running,
                    30,
                    lambda: f"it got in: {second.get('/readyz')[1]!r}",
                )
                assert second.running, second.log.read_text(encoding="utf-8")[-2000:]
                before = opened(chats)
                mounted.replace(following, NEW_PASSWORD)
                wait_for(lambda: answers(bridge, NEW_PASSWORD) == GIVEN, 40, lambda: str(answers(bridge, NEW_PASSWORD)))
                assert set(answers(bridge, PASSWORD).values()) == {401}
                assert shows(bridge.port, following)
                assert not shows(bridge.port, former)
                second.wait_ready(40)
                assert gate.passed > passed
                wait_for(lambda: captured(second) > 50, 40, "it captures nothing")
                wait_for(lambda: len(opened(chats) - before) > 6, 60, "no new chats")
                log = bridge.log.read_text(encoding="utf-8")
                assert all(f"secret_read_again kind={kind}" in log for kind in ("registry_tls", "http_tls"))
                assert bridge.running
                assert bridge.metric(EXPIRY, which="registry") == bridge.metric(EXPIRY, which="http") > 0
                moved = {shard_of(session["sessionId"]) for session in second.sessions()}
                environment.finish(chats)
                assert second.terminate() == 0
                assert bridge.terminate() == 0
        # While its shard moves to the second worker a chat may lose its end, and what a history does not hold.
        certificates = environment.certificates()
        lacking = {
            name: lacks for name in held if (lacks := set(certificates[name]["reasons"]) - EXPECTED_CLASSES.keys())
        }
        assert {name for name in lacking if shard_of(name) not in moved} == set()
        assert all(some <= {OVER_WHILE_AWAY, NOT_IN_REPLAY} for some in lacking.values()), lacking
        assert verified(environment, settings) == 0
        refused = gate.refused
        mounted.replace(following, PASSWORD)
        assert verified(environment, settings) == 3
        assert gate.refused > refused


def shows(port: int, trusted: Authority) -> bool:
    """Whether a listener shows a certificate that this authority has signed."""
    try:
        ssl.get_server_certificate((LOOPBACK, port), ca_certs=str(trusted.file), timeout=10)
    except ssl.SSLCertVerificationError:
        return False
    return True
