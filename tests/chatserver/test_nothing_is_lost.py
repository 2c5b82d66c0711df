"""Whatever a server says in whatever order: each event is told exactly once, unless we had left its chat."""

from __future__ import annotations

from collections import Counter

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.chatserver.connection_state import ConnectionState
from bridge.chatserver.conversation_events import UnexpectedMessage
from bridge.chatserver.messages import EventError, EventSessionInfo, RequestJoin, RequestReleaseParty
from bridge.transcript.updates import JoinRefused, TranscriptUpdate
from tests.chatserver.talk import Talk, info
from tests.support.reasons import NO_JSON

CHATS = "ABC"
STEPS = st.one_of(
    st.tuples(st.sampled_from(["join", "leave", "refuse", "answer", "unreadable"]), st.sampled_from(CHATS)),
    st.tuples(st.just("wait"), st.just("")),
    st.tuples(
        st.sampled_from(["push", "push as an answer to a join", "push as an answer to a release"]),
        st.sampled_from(CHATS + "Z"),
    ),
)


class Play:
    """A conversation and what a server knows of it. `owed` are the events that must be told once, `free` may be."""

    def __init__(self) -> None:
        self.talk = Talk()
        self.now = 1.0
        self.last_id = 0
        self.joins: dict[str, int] = {}
        self.releases: list[int] = []
        self.left: set[str] = set()
        self.held: dict[str, list[int]] = {}
        self.owed: set[int] = set()
        self.free: set[int] = set()
        self.told: Counter[int] = Counter()

    def says(self, chat: str, status: str, reference: int | None) -> None:
        self.last_id += 1
        (self.free if chat in self.left else self.owed).add(self.last_id)
        if chat in self.joins:
            self.held.setdefault(chat, []).append(self.last_id)
        self.talk.conversation.receive(info(chat, self.last_id, reference=reference, status=status), self.now)

    @property
    def ended(self) -> bool:
        return self.talk.conversation.state is ConnectionState.CLOSED

    def step(self, what: str, chat: str, status: str) -> None:
        conversation = self.talk.conversation
        if what == "join":
            conversation.join(chat, None, self.now)
        elif what == "leave":
            conversation.leave(chat)
        elif what == "refuse":
            conversation.receive(EventError(8209, "no", self.joins.get(chat)), self.now)
        elif what == "answer":
            if chat in self.joins:
                self.says(chat, status, self.joins[chat])
        elif what == "unreadable":
            conversation.unreadable(chat, NO_JSON)
        elif what == "wait":
            self.now += 10.0
            conversation.on_timer(self.now)
        else:
            others = [reference for name, reference in self.joins.items() if name != chat]
            answers = {"push": None, "push as an answer to a join": others[0] if others else None}
            self.says(chat, status, answers.get(what, self.releases[-1] if self.releases else None))
        self.settle()

    def settle(self) -> None:
        for request in self.talk.conversation.requests():
            if isinstance(request, RequestJoin):
                assert request.session_id is not None
                assert request.reference_id is not None
                self.joins[request.session_id] = request.reference_id
                self.left.discard(request.session_id)
            elif isinstance(request, RequestReleaseParty):
                assert request.reference_id is not None
                self.joins.pop(request.session_id, None)
                self.left.add(request.session_id)
                self.releases.append(request.reference_id)
        for event in self.talk.conversation.events_received():
            if isinstance(event, TranscriptUpdate):
                assert event.session_id not in self.joins or event.snapshot or event.session_id in self.held
                self.told.update(one.event_id for one in event.transcript.chat_event_list)
                if event.snapshot:
                    del self.joins[event.session_id]
                    self.held.pop(event.session_id, None)
            elif isinstance(event, JoinRefused):
                self.joins.pop(event.session_id, None)
                self.held.pop(event.session_id, None)
            elif isinstance(event, UnexpectedMessage):
                assert isinstance(event.message, EventSessionInfo)
                self.told.update(one.event_id for one in event.message.chat_transcript.chat_event_list)


SILENCE = [(("wait", ""), "Alive")] * 4


@example([*SILENCE, (("join", "A"), "Alive"), (("push", "A"), "Alive")], False)
@example([(("join", "A"), "Alive"), (("push", "A"), "Alive"), *SILENCE], False)
@example([(("join", "A"), "Alive"), (("refuse", "C"), "Alive"), (("push", "A"), "Alive")], False)
@settings(max_examples=300)
@given(st.lists(st.tuples(STEPS, st.sampled_from(["Alive", "Over", "Dormant"])), max_size=25), st.booleans())
def test_each_event_is_told_exactly_once_unless_its_chat_was_left(
    steps: list[tuple[tuple[str, str], str]], lost: bool
) -> None:
    play = Play()
    for (what, chat), status in steps:
        if not play.ended or what.startswith("push"):  # its owner uses it no more, but more may have arrived by then
            play.step(what, chat, status)
    if lost:
        play.talk.conversation.closed()
        play.settle()
    else:
        play.step("wait", "", "")  # joins that are still under way are given up, and what was held for them is told
    assert set(play.told) >= play.owed
    assert set(play.told) <= play.owed | play.free
    assert set(play.told.values()) <= {1}
