"""Things that go wrong with a Chat Server, made to go wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bridge.simulator.model.restoration import RestorePlan, SessionDump, dump, take_over
from bridge.simulator.model.sessions import Sessions
from bridge.simulator.protocol.requests import RequestDesk

if TYPE_CHECKING:
    from bridge.simulator.model.effects import Effect
    from bridge.simulator.protocol.server import ChatServer, Connection


class Faults:
    """Hooks on one server for tests and for the control API."""

    def __init__(self, server: ChatServer) -> None:
        """Nothing goes wrong before it is asked for."""
        self.server = server

    def drop(self, connection: int | None = None, *, reset: bool = True) -> int:
        """End one connection or all of them, by a reset or in order; return how many."""
        chosen = self._chosen(connection)
        for one in chosen:
            one.end(reset=reset)
        return len(chosen)

    def play_dead(self, connection: int | None = None) -> int:
        """Neither read nor answer any more while sockets stay open; without a number new connections too."""
        chosen = self._chosen(connection)
        for one in chosen:
            one.play_dead()
        if connection is None:
            self.server.faults.plays_dead = True
        return len(chosen)

    def refuse(self, request: str, error_id: int) -> None:
        """Answer every request of this name (`RequestJoin`) with an error."""
        self.server.faults.refuse[request] = error_id

    def delay_answers(self, seconds: float) -> None:
        """Send everything so much later."""
        self.server.faults.answer_delay_seconds = seconds

    def send_raw(self, data: bytes, connection: int | None = None) -> int:
        """Send bytes that are no message, or not quite; return to how many connections."""
        chosen = self._chosen(connection)
        for one in chosen:
            one.send_raw(data)
        return len(chosen)

    def heal(self) -> None:
        """Answer again. Connections that were played dead stay dead: they are reset."""
        self.server.faults.clear()
        for one in list(self.server.connections.values()):
            if one.is_mute:
                one.end(reset=True)

    def _chosen(self, connection: int | None) -> list[Connection]:
        if connection is None:
            return list(self.server.connections.values())
        chosen = self.server.connections.get(connection)
        return [] if chosen is None else [chosen]

    async def restart(self, plan: RestorePlan | None = None, *, down_seconds: float = 0.0) -> list[SessionDump]:
        """Kill the server and start it again with its sessions restored; return what had been saved."""
        saved = await self.kill()
        await asyncio.sleep(down_seconds)
        effects = restored(self.server, saved, plan or RestorePlan())
        await self.server.start()
        self.server.act(effects)
        return saved

    async def kill(self) -> list[SessionDump]:
        """Kill the server: every connection is reset, no party leaves in order; return what had been saved."""
        server = self.server
        saved = [dump(session) for session in server.sessions.by_id.values()]
        server.desk = RequestDesk(Sessions(server.settings.model, server.sessions.rng), server.desk.flex.users)
        await server.stop(reset=True)
        return saved


def restored(server: ChatServer, saved: list[SessionDump], plan: RestorePlan) -> list[Effect]:
    """Give saved sessions to a server, its own or another one; return the effects for it to act on."""
    effects = take_over(server.sessions, saved, plan, server.clock())
    server.desk.flex.relink()
    return effects


async def fail_over(dead: ChatServer, heir: ChatServer, plan: RestorePlan | None = None) -> None:
    """Kill one server and let another one, which runs, restore its sessions; flex users find their way there."""
    users = dead.desk.flex.users
    saved = await Faults(dead).kill()
    heir.desk.flex.users.update(users)
    heir.act(restored(heir, saved, plan or RestorePlan()))
