"""Chats played without a server and without waiting: both sides of each, live and stored. Pure, from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.simulator.model.effects import Effect, EventAdded, SessionOpened
from bridge.simulator.model.model_settings import ModelSettings
from bridge.simulator.model.refusals import RequestRefused
from bridge.simulator.model.restoration import RestorePlan, dump, restore_all
from bridge.simulator.model.sessions import Sessions
from bridge.simulator.traffic.actions import perform
from bridge.simulator.traffic.scenario import ScenarioSettings, scenario

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent

_IDLE_SECONDS: Final = 3600.0
"""After a scenario that lets its chat go idle, the timers are run until so much later."""


@dataclass(slots=True)
class PlayedChat:
    """One chat: its effects with their times, in order. `lost` are ids that were sent live and lost in a fail-over."""

    session_id: str
    start_at: str = ""
    effects: list[tuple[float, Effect]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)

    @property
    def events(self) -> list[ChatEvent]:
        """Every event that was added, as it was sent live, direct messages among them."""
        return [effect.event for _, effect in self.effects if isinstance(effect, EventAdded)]


def played_chat(
    settings: ScenarioSettings, number: int, start: float, fail_over: RestorePlan | None = None
) -> PlayedChat:
    """Play chat `number` of the settings' seed from `start`, seconds since 1970 UTC, to its end.

    With `fail_over` the server fails in the middle of it, and another one restores the chat.
    """
    chat = scenario(settings, number)
    rng = random.Random(f"{settings.seed}:{number}:ids")  # noqa: S311 - not for security
    sessions = Sessions(ModelSettings(), rng)
    played = PlayedChat(chat.session_id)
    now = start
    steps = list(chat.steps)
    for at, (pause, action) in enumerate(steps):
        now += pause
        if fail_over is not None and at == len(steps) // 2 and chat.session_id in sessions.by_id:
            sessions = _failed_over(sessions, played, fail_over, now)
        if at and chat.session_id not in sessions.by_id:
            break
        try:
            _note(played, perform(action, sessions, chat.session_id, now), now)
        except RequestRefused:  # a party that did not return, or has left: the script goes on
            continue
    end = now + _IDLE_SECONDS
    while now < end and (session := sessions.by_id.get(chat.session_id)) is not None and session.idle is not None:
        now += 1.0
        _note(played, sessions.on_timer(now), now)
    if chat.session_id in sessions.by_id:
        _note(played, sessions.stop(chat.session_id, now), now)
    return played


def _failed_over(failed: Sessions, played: PlayedChat, plan: RestorePlan, now: float) -> Sessions:
    saved = dump(failed.by_id[played.session_id])
    standby = Sessions(failed.settings, failed.rng)
    before = len(saved.events)
    _note(played, restore_all(standby, [saved], plan, now), now)
    played.lost += [event.event_id for event in saved.events[max(1, before - plan.lose_last) :]]
    return standby


def _note(played: PlayedChat, effects: list[Effect], now: float) -> None:
    for effect in effects:
        if isinstance(effect, SessionOpened):
            played.start_at = effect.start_at
        played.effects.append((now, effect))
