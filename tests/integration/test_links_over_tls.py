"""Chat Servers behind TLS that cannot be used: each is named with host, cause and next step, as long as chats wait."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bridge.addresses import split_address
from bridge.sandbox.process import LOOPBACK
from tests.integration.e2e_environment import E2EEnvironment, all_joined, reasons
from tests.support.certificates import Authority
from tests.support.processes import wait_for
from tests.support.refusing_tls_server import RefusingTlsServer
from tests.support.tls_address import TlsAddress

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Bridge

CODE = "SERVER_UNREACHABLE"


def warned(bridge: Bridge) -> list[str]:
    found = json.loads(bridge.get("/readyz")[1])["warnings"]
    return [one["detail"] for one in found if one["code"] == CODE]


def test_each_failure_of_tls_is_named_until_no_chat_waits_for_its_server(broker: str, tmp_path: Path) -> None:
    (tmp_path / "strange").mkdir()
    trusted, strange = Authority(tmp_path), Authority(tmp_path / "strange")
    environment = E2EEnvironment(
        broker,
        tmp_path,
        sources__chat_server__tls__enabled="true",
        sources__chat_server__tls__ca_file=trusted.file,
        sources__chat_server__reconnect_delay_seconds=0.5,
        sources__chat_server__when_attempts_are_used_up="KEEP_TRYING",
    )
    strangers = TlsAddress(0, strange, anyone=True)
    faults: dict[str, tuple[TlsAddress | RefusingTlsServer, str]] = {
        "unknown authority": (
            strangers,
            f"has a certificate that no authority in {trusted.file} has signed (set sources.chat_server.tls.ca_file",
        ),
        "expired": (TlsAddress(0, trusted, anyone=True, expired=True), "has a certificate that has expired (renew it"),
        "other name": (TlsAddress(0, trusted, anyone=True), "has a certificate for another host name (announce a name"),
        "certificate wanted": (
            RefusingTlsServer(trusted),
            "wants a client certificate: TLSV13_ALERT_CERTIFICATE_REQUIRED (set sources.chat_server.tls.certificate_f",
        ),
    }
    usable = TlsAddress(0, trusted, anyone=True)
    with ExitStack() as stack:
        chats = stack.enter_context(environment.chats(announce=False, concurrent_chats=len(faults)))
        for address in (usable, *(address for address, _ in faults.values())):
            if isinstance(address, TlsAddress):
                address.target = split_address(chats.address)[1]
            stack.enter_context(address)
        bridge = stack.enter_context(environment.bridge()).wait_ready()
        wait_for(lambda: len(chats.open_chats()) == len(faults), 20, "no chats")
        waiting = dict(zip(faults, [one["sessionId"] for one in chats.open_chats()], strict=True))

        def announce(fault: str, address: TlsAddress | RefusingTlsServer) -> None:
            host = "localhost" if (fault, address) == ("other name", faults[fault][0]) else LOOPBACK
            announcement: dict[str, Any] = {"sessionId": waiting[fault], "host": host, "port": address.port}
            assert bridge.post("/v1/sessions", announcement)[0] == 202

        for fault, (address, _) in faults.items():
            announce(fault, address)
        wait_for(lambda: len(reasons(bridge)) == len(faults), 30, lambda: str(reasons(bridge)))
        for fault, (address, sentence) in faults.items():
            host = "localhost" if fault == "other name" else LOOPBACK
            [said] = [
                one for one in reasons(bridge) if one.startswith(f"{CODE}: no connection to {host}:{address.port},")
            ]
            assert "in a row: TLS: the server " in said
            assert sentence in said
            assert f"server={host}:{address.port} code=TLS" in bridge.log.read_text("utf-8")
        assert bridge.metric("chatbridge_links_lost_total", reason="tls") >= 3 * len(faults)
        assert bridge.metric("chatbridge_links_lost_total", reason="unreachable") == 0
        assert bridge.metric("chatbridge_unreachable_servers") == len(faults)

        # A chat moves, as after a fail-over; nobody asks its former address again, which is as dead as before.
        announce("expired", usable)
        wait_for(lambda: bridge.ready, 20, lambda: str(reasons(bridge)))
        assert len(warned(bridge)) == len(faults) - 1
        assert all(f":{faults['expired'][0].port}," not in one for one in warned(bridge))

        strangers.replace(trusted)
        for fault in ("other name", "certificate wanted"):
            announce(fault, usable)
        wait_for(lambda: all_joined(bridge, len(faults)), 20, lambda: str(warned(bridge)))
        assert (reasons(bridge), warned(bridge)) == ([], [])
        assert bridge.metric("chatbridge_unreachable_servers") == 0
        environment.finish(chats)
        assert bridge.terminate() == 0
