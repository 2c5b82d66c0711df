"""The server's side of a chat, and scripts of what happens to it and to the bridge's view of it.

A `ScriptStep` is read relative to the chat as it is: ids, authors and victims are counted modulo what there is, so that
a script stays meaningful when a part of it is left out. `inputs_of` plays it and returns what the bridge is given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from bridge.announcement import Announcement, encode, parse
from bridge.capture.inbox import Announced
from bridge.chatserver.versions import withhold
from bridge.transcript.events import ChatEvent, ChatTranscript, Item, MessageText, NoticeText, Reason, UserInfo
from bridge.transcript.updates import Damaged, JoinRefused, LinkDown, QuarantinedInput, TranscriptUpdate, Verdict
from tests.support.reasons import A_REFUSAL, A_RESET, NO_JSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.capture.inbox import Input

CHAT: Final = "0000MODEL0000001"
STRANGER: Final = "0000MODEL0000002"
SERVER: Final = "chat-1:4800"
START: Final = "2031-03-04T10:00:00Z"
SECOND: Final = 1_000_000
DEFECT: Final = "a text that makes the engine fail"
LARGE: Final = "large " * 3_000
SURROGATE: Final = "\ud800"
USERS: Final = ("00A1", "00A2", "00A3")
VERSIONS: Final = (101, 102, 103, 104, 105, 106)
TEXTS: Final = ("hello", "grün 1234", "card 4111 1111", "", DEFECT, LARGE, SURROGATE)


class ScriptStep(NamedTuple):
    """One thing that happens; what `a`, `b` and `c` mean depends on `what`, see the methods of TrueChat."""

    what: str
    a: int = 0
    b: int = 0
    c: int = 0


@dataclass(slots=True)
class Given:
    """What the bridge is given in one transaction, at `now` in us since 1970; `restarted` before it."""

    inputs: list[Input] = field(default_factory=list)
    now: int = 0
    restarted: bool = False


class TrueChat:
    """The chat as its server has it, the link to it, and what was delivered over the link."""

    def __init__(self) -> None:
        self.history: list[ChatEvent] = []
        self.ever: list[ChatEvent] = []
        self.unsent: list[ChatEvent] = []
        self.last_id = 0
        self.linked = False
        self.version = 106
        self.over = False
        self.given_up = False
        self.batches: list[Given] = [Given(now=100 * SECOND)]
        self.offset = 0
        self.announce(ScriptStep("announce"))
        self.commit(ScriptStep("commit"))

    # --- what the bridge is given --------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return self.batches[-1].now

    def give(self, one: Input) -> None:
        self.batches[-1].inputs.append(one)

    def tell(
        self,
        events: list[ChatEvent],
        damaged: list[Damaged] | None = None,
        *,
        snapshot: bool = False,
        over: bool = False,
        session_id: str = CHAT,
    ) -> None:
        shown = [told for event in events if (told := withhold(event, self.version)) is not None]
        self.give(
            TranscriptUpdate(
                ChatTranscript(session_id, START, chat_event_list=shown),
                over,
                snapshot=snapshot,
                server=SERVER,
                version=self.version,
                observed_at=self.now,
                size=100,
                damaged=damaged or [],
            )
        )

    def play(self, step: ScriptStep) -> None:
        act: Callable[[ScriptStep], None] = getattr(self, step.what)
        act(step)

    # --- the chat itself -----------------------------------------------------------------------------------------

    def happens(self, event_type: str, step: ScriptStep, **more: object) -> None:
        """An event: `c` ids are used before it for what nobody is shown."""
        self.last_id += 1 + step.c
        user = USERS[step.a % len(USERS)]
        event = ChatEvent(event_type, self.last_id, user, time_shift=self.last_id // 4, **more)  # type: ignore[arg-type]
        self.history.append(event)
        self.ever.append(event)
        if self.linked:
            self.unsent.append(event)

    def says(self, step: ScriptStep) -> None:
        """User `a` says text `b`."""
        self.happens("message", step, message_text=MessageText(TEXTS[step.b % len(TEXTS)]))

    def comes(self, step: ScriptStep) -> None:
        """User `a` joins, under name `b`."""
        self.happens("newParty", step, user_info=UserInfo(f"Visitor {step.b}", "CLIENT"))

    def renames(self, step: ScriptStep) -> None:
        """User `a` takes name `b`."""
        self.happens("notice", step, notice_text=NoticeText("USER_UPDATE_NICK", f"Name {step.b}"))

    def notes(self, step: ScriptStep) -> None:
        """User `a` sends a notice with data `b` and attributes, which not every version is sent."""
        data = [Item("k", value=f"v{step.b}")]
        self.happens(
            "notice", step, notice_text=NoticeText("USER_CUSTOM", f"n {step.b}"), user_data=data, event_attributes=data
        )

    def commands(self, step: ScriptStep) -> None:
        """User `a` sends a command, an event that only versions from 104 on are sent."""
        self.happens("notice", step, notice_text=NoticeText("SYS_COMMAND", f"c {step.b}"))

    def leaves(self, step: ScriptStep) -> None:
        """User `a` leaves."""
        self.happens("partyLeft", step, asker_id=USERS[0], reason=Reason(step.b, "left"))

    def invents(self, step: ScriptStep) -> None:
        """An event of a type that nobody knows."""
        self.happens("pushUrl", step, unknown_attributes={"a": str(step.b), "b": "2"})

    def changes(self, step: ScriptStep) -> None:
        """Event `a` of the history is changed in what `b` says."""
        if not self.history:
            return
        at = step.a % len(self.history)
        event = self.history[at]
        fresh = [Item("k", value=f"changed {step.c}")]
        if step.b % 4 == 0:
            event = replace(event, user_data=fresh)
        elif step.b % 4 == 1:
            event = replace(event, event_attributes=fresh)
        elif step.b % 4 == 2:
            event = replace(event, unknown_attributes=dict(reversed(event.unknown_attributes.items())))
        elif event.message_text is not None:
            event = replace(event, message_text=MessageText(TEXTS[step.c % len(TEXTS)]))
        self.history[at] = event

    def restored(self, step: ScriptStep) -> None:
        """The session is restored from what was saved: the last `a` events are lost, ids go on `b` after the last.

        With `b` 0 the ids of what was lost are given again.
        """
        lost = step.a % (len(self.history) + 1)
        self.down(step)
        self.unsent.clear()
        if lost:
            del self.history[-lost:]
        if step.b == 0:
            self.last_id = max((event.event_id for event in self.history), default=0)
        else:
            self.last_id += step.b - 1

    # --- the link ------------------------------------------------------------------------------------------------

    def down(self, _step: ScriptStep) -> None:
        """The link is lost; what was not pushed yet is in the history only."""
        if self.linked:
            self.give(LinkDown(CHAT, A_RESET, self.now))
        self.linked = False
        self.unsent.clear()

    def joins(self, step: ScriptStep) -> None:
        """The chat is joined with version `a`; `b` says what the history lacks, `c` of which event from the last."""
        self.version = VERSIONS[-1 - step.a % len(VERSIONS)]
        shown = list(self.history)
        damaged = []
        at = -1 - step.c % len(shown) if shown else 0
        if step.b % 4 == 1:
            shown = [masked(event) for event in shown]
        elif step.b % 4 == 2 and shown:
            damaged = [damage(shown.pop(at), known=step.c % 5 != 4)]
        elif step.b % 4 == 3 and shown:
            del shown[at]
        self.tell(shown, damaged, snapshot=True)
        self.linked = True
        self.unsent = self.unsent[: step.b // 4]

    def pushes(self, step: ScriptStep) -> None:
        """What was not sent is pushed: all at once, one by one, backwards, twice, with one event damaged, in part."""
        if not self.linked:
            return
        events, self.unsent = self.unsent, []
        way = step.a % 6
        if way == 0:
            self.tell(events)
        elif way == 4 and events:
            lost = events.pop(step.b % len(events))
            self.tell(events, [damage(lost, known=step.b % 5 != 4)])
        elif way == 5:
            self.tell(events[:1])
            self.unsent = events[1:]
        else:
            events = [*events, *events] if way == 3 else events[::-1] if way == 2 else events
            for event in events:
                self.tell([event])

    def repeats(self, step: ScriptStep) -> None:
        """An event of long ago, event `a` of all that ever were, is pushed (again)."""
        if (self.linked or self.given_up) and self.ever:
            event = self.ever[step.a % len(self.ever)]
            if step.b % 3 == 2:
                self.tell([], [damage(event, known=True)])
            else:
                self.tell([masked(event) if step.b % 3 else event])

    def ends(self, step: ScriptStep) -> None:
        """The chat ends: what was not sent comes with it, or one by one, each marked, or after the first.

        When it is not joined, the answer to a join says that it has ended.
        """
        if self.over:
            return
        self.over = True
        if not self.linked and not self.given_up:
            self.tell(self.history, snapshot=True, over=True)
            self.linked = True
            return
        events, self.unsent = self.unsent, []
        if step.a % 3 == 0:
            self.tell(events, over=True)
        elif step.a % 3 == 1:
            for event in events:
                self.tell([event], over=True)
            if not events:
                self.tell([], over=True)
        else:
            self.tell(events[:1], over=True)
            for event in events[1:]:
                self.tell([event])

    def lags(self, step: ScriptStep) -> None:
        """A last event of user `a` comes after the end, marked or not."""
        if self.over:
            self.leaves(step)
            events, self.unsent = self.unsent, []
            self.tell(events, over=step.b % 2 == 0)

    # --- the rest ------------------------------------------------------------------------------------------------

    def refused(self, step: ScriptStep) -> None:
        """The chat cannot be joined."""
        if self.over or self.given_up:
            return
        self.down(step)
        verdict = (Verdict.GONE, Verdict.NEVER, Verdict.RETRY)[step.a % 3]
        self.give(JoinRefused(CHAT, 0, A_REFUSAL, verdict, self.now))
        self.given_up = verdict is not Verdict.RETRY

    def announce(self, _step: ScriptStep) -> None:
        """The chat is announced (again)."""
        raw = encode(Announcement(session_id=CHAT, host="chat-1", port=4800))
        self.give(Announced(self.offset, raw, CHAT.encode(), parse(raw), observed_at=self.now))
        self.offset += 1
        self.given_up = False

    def garbage(self, step: ScriptStep) -> None:
        """Something unreadable came: content of the chat, something that may be, or what only names it."""
        named = step.a % 3 != 1
        self.give(
            QuarantinedInput(
                SERVER,
                b"garbage",
                NO_JSON,
                7,
                session_id=CHAT if named else None,
                attributed=step.a % 3 == 0,
                followed=() if named else (CHAT,),
                observed_at=self.now,
            )
        )

    def strays(self, step: ScriptStep) -> None:
        """An update of a chat that nobody announced here."""
        self.tell([ChatEvent("message", 1 + step.a, USERS[0], message_text=MessageText("stray"))], session_id=STRANGER)

    def commit(self, _step: ScriptStep) -> None:
        """What came is committed in one transaction."""
        self.batches.append(Given(now=self.now + SECOND))

    def restart(self, _step: ScriptStep) -> None:
        """The bridge is started again, after what came was committed."""
        self.commit(_step)
        self.batches[-1].restarted = True

    def waits(self, step: ScriptStep) -> None:
        """Some minutes pass."""
        self.commit(step)
        self.batches[-1].now += 200 * SECOND


def damage(event: ChatEvent, *, known: bool) -> Damaged:
    number = event.event_id
    return Damaged(b'{"eventId":%d,"timeShift":"x"}' % number, "timeShift: expected int", number if known else None)


def masked(event: ChatEvent) -> ChatEvent:
    """Return the event with digits and what is no ASCII masked in its texts."""
    changes: dict[str, object] = {}
    for name in ("message_text", "notice_text"):
        part = getattr(event, name)
        if part is not None and len(part.text) < 100 and part.text not in (DEFECT, SURROGATE):
            text = "".join("*" if one.isdigit() or not one.isascii() else one for one in part.text)
            changes[name] = replace(part, text=text)
    return replace(event, **changes)


def inputs_of(script: list[ScriptStep]) -> list[Given]:
    """Play a script from its beginning."""
    chat = TrueChat()
    for step in script:
        chat.play(step)
    return [given for given in chat.batches if given.inputs or given.restarted]
