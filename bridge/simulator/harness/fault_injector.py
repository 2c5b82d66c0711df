"""Fault injection: connection loss, refusals, delays, restart, fail-over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.simulator.model.restoration import RestorePlan, SessionDump, dump, restore_all
from bridge.simulator.model.sessions import Sessions
from bridge.simulator.protocol.requests import RequestHandler

if TYPE_CHECKING:
    from bridge.simulator.model.effects import Effect
    from bridge.simulator.protocol.server import ChatServer, Connection


class FaultInjector:
    """Injects faults into one server, for tests and for the control API."""

    def __init__(self, server: ChatServer) -> None:
        """Inject nothing yet."""
        self.server = server

    def drop(self, connection: int | None = None, *, reset: bool = True) -> int:
        """Close one connection or all of them, by a TCP reset or in order; return how many."""
        chosen = self._chosen(connection)
        for each in chosen:
            each.end(reset=reset)
        return len(chosen)

    def stop_responding(self, connection: int | None = None) -> int:
        """Stop reading and answering on one connection, or on all and new ones, with sockets open; return how many."""
        chosen = self._chosen(connection)
        for each in chosen:
            each.stop_responding()
        if connection is None:
            self.server.faults.unresponsive = True
        return len(chosen)

    def refuse(self, request: str, error_id: int) -> None:
        """Answer every request of this name (`RequestJoin`) with an error."""
        self.server.faults.refuse[request] = error_id

    def delay_answers(self, seconds: float) -> None:
        """Delay everything that is sent by so many seconds."""
        self.server.faults.answer_delay_seconds = seconds

    def send_raw(self, data: bytes, connection: int | None = None) -> int:
        """Send arbitrary bytes on one connection or on all of them; return on how many."""
        chosen = self._chosen(connection)
        for each in chosen:
            each.send_raw(data)
        return len(chosen)

    def heal(self) -> None:
        """Remove all faults; unresponsive connections are reset."""
        self.server.faults.clear()
        for each in list(self.server.connections.values()):
            if each.is_unresponsive:
                each.end(reset=True)

    def _chosen(self, connection: int | None) -> list[Connection]:
        if connection is None:
            return list(self.server.connections.values())
        chosen = self.server.connections.get(connection)
        return [] if chosen is None else [chosen]

    async def restart(self, plan: RestorePlan | None = None, *, down_seconds: float = 0.0) -> list[SessionDump]:
        """Kill the server and start it again with its sessions restored; return the saved sessions."""
        saved = await self.kill()
        await asyncio.sleep(down_seconds)
        effects = restore_on(self.server, saved, plan or RestorePlan())
        await self.server.start()
        self.server.apply(effects)
        return saved

    async def kill(self) -> list[SessionDump]:
        """Kill the server: reset every connection, without partyLeft events; return the saved sessions."""
        server = self.server
        saved = [dump(session) for session in server.sessions.by_id.values()]
        server.handler = RequestHandler(Sessions(server.settings.model, server.sessions.rng), server.handler.flex.users)
        await server.stop(reset=True)
        return saved


def restore_on(server: ChatServer, saved: list[SessionDump], plan: RestorePlan) -> list[Effect]:
    """Restore saved sessions on a server, the same or another one; return the effects for it to apply."""
    effects = restore_all(server.sessions, saved, plan, server.clock())
    server.handler.flex.reattach_sessions()
    return effects


async def fail_over(failed: ChatServer, standby: ChatServer, plan: RestorePlan | None = None) -> None:
    """Kill one server and restore its sessions and flex users on another that is running."""
    users = failed.handler.flex.users
    saved = await FaultInjector(failed).kill()
    standby.handler.flex.users.update(users)
    standby.apply(restore_on(standby, saved, plan or RestorePlan()))
