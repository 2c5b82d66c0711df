"""Fault injection: connection loss, refusals, delays, removals, restart, fail-over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.chatserver.messages import EventError
from bridge.simulator.model.departures import DISCONNECTED, REMOVED
from bridge.simulator.model.effects import Push
from bridge.simulator.model.restoration import RestorePlan, SessionDump, dump, restore_all
from bridge.simulator.model.sessions import Sessions
from bridge.simulator.protocol.requests import RequestHandler
from bridge.transcript.events import SUPERVISOR

if TYPE_CHECKING:
    from bridge.simulator.model.departures import Departure
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

    def drop_after_joins(self, seconds: float) -> None:
        """Reset each basic connection so many seconds after the answer to a join."""
        self.server.faults.drop_after_join_seconds = seconds

    def log_out(self, error_id: int, *, named: bool) -> int:
        """End the part of all supervisors in all sessions, and tell them by an error that they did not ask for.

        With `named` there is one error for each session, which names it; else one for each connection, which names
        none. What such an error looks like is ASM. Return the number of errors.
        """
        parts = self._supervisors()
        for connection, session_id, user_id in parts:
            self._depart(connection, session_id, user_id, DISCONNECTED)
        told = [(connection, session_id if named else None) for connection, session_id, _ in parts]
        errors: list[Effect] = [
            Push(connection, EventError(error_id, "logged out by a fault", session_id=session_id))
            for connection, session_id in dict.fromkeys(told)
        ]
        self.server.apply(errors)
        return len(errors)

    def remove_supervisors(self) -> int:
        """Remove all supervisors from all sessions, as another party may; return how many parties that were."""
        parts = self._supervisors()
        for connection, session_id, user_id in parts:
            self._depart(connection, session_id, user_id, REMOVED)
        return len(parts)

    def _supervisors(self) -> list[tuple[int, str, str]]:
        """Return (connection, session id, user id) of each supervisor in each session."""
        sessions = self.server.sessions.by_id
        return [
            (client.connection, session_id, client.user_id)
            for client in self.server.handler.clients.values()
            if client.info is not None and client.info.user_type == SUPERVISOR
            for session_id in sorted(client.joined)
            if session_id in sessions and client.user_id in sessions[session_id].parties
        ]

    def _depart(self, connection: int, session_id: str, user_id: str, departure: Departure) -> None:
        server = self.server
        server.handler.clients[connection].joined.discard(session_id)
        server.apply(server.sessions.depart(session_id, user_id, departure, server.clock()))

    def send_raw(self, data: bytes, connection: int | None = None) -> int:
        """Send arbitrary bytes on one connection or on all of them; return on how many."""
        chosen, now = self._chosen(connection), self.server.clock()
        for each in chosen:
            self.server.request_observer.raw_sent(each.number, len(data), now)
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
