"""Whatever is lost of commits and their answers, and whoever owns the shard: every input takes effect once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from bridge.capture.batch_numbers import OWNERS
from bridge.capture.session_store import SessionStore
from bridge.records.checkpoint import BatchStamp
from bridge.transcript.updates import Damaged, JoinRefused, LinkDown, QuarantinedInput, Verdict
from tests.capture.disturbed_chat import ELSEWHERE, announced
from tests.capture.test_batch_numbers import A_DAY_AND_MORE, SharedTopic
from tests.capture.test_session_store import DAY, NOW, WRITERS, settings
from tests.capture.written_topics import TOPICS
from tests.support.reasons import A_REFUSAL, A_RESET, NO_JSON
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.inbox import Input
    from bridge.facts import Fact

ANSWERED: Final = "answered"
LOST: Final = "applied, and the answer is lost"
FAILED: Final = "not applied"
KINDS: Final = ("events", "sessions", "quarantine", "announcements")


class Effect(NamedTuple):
    """A fold that took effect: its inputs, when, whether by a store restored just before, and as a probe or not."""

    inputs: list[Input]
    now: int
    restored: bool
    probe: bool


@dataclass
class Shared:
    """What all owners share: the time, the ids of the chat's events, and Kafka."""

    now: int = NOW
    last_id: int = 2
    offset: int = 0
    topic: SharedTopic = field(default_factory=SharedTopic)
    owner: int | None = None
    effects: list[Effect] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    written: dict[str, list[Any]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    facts: list[Fact] = field(default_factory=list)

    def commit(self, plan: TransactionPlan) -> None:
        self.topic.commit(plan)
        self.numbers.append(plan.number)
        for kind in KINDS:
            self.written[kind] += plan.batch.on(TOPICS[kind])


class Owner:
    """An owner of the shard: holds inputs until it knows that they are committed, as `Shard` does."""

    def __init__(self, number: int, shared: Shared) -> None:
        self._number = number
        self._shared = shared
        self._store: SessionStore | None = None
        self._fresh = False
        self._uncertain: TransactionPlan | None = None
        self._held: list[Input] = []
        self._waiting: list[Input] = []

    @property
    def idle(self) -> bool:
        return not self._held and not self._waiting

    def attempt(self, more: list[Input], outcome: str, *, probe: bool = False) -> None:
        """Take `more`, and try one transaction; whatever fails, the next attempt begins with a restoration."""
        shared = self._shared
        self._waiting += more
        if self._store is None or shared.owner != self._number:
            self._restore()
        assert self._store is not None
        if not self._held:
            self._held, self._waiting = self._waiting, []
        plan = self._store.fold(self._held, shared.now, mark=probe)
        restored, self._fresh = self._fresh, False
        if not plan.number or outcome != FAILED:
            shared.effects.append(Effect(self._held, shared.now, restored, probe))
        if not plan.number:
            self._settle(plan)
            return
        self._uncertain = plan
        if outcome != FAILED:
            shared.commit(plan)
        if outcome == ANSWERED:
            self._settle(plan)
        else:
            self._store = None

    def _restore(self) -> None:
        self._store = self._shared.topic.store(self._number, closed_retention_us=DAY)
        self._shared.owner, self._fresh = self._number, True
        uncertain, self._uncertain = self._uncertain, None
        if uncertain is not None and self._store.numbers.committed(uncertain.number):
            self._settle(uncertain)

    def _settle(self, plan: TransactionPlan) -> None:
        self._shared.facts += plan.facts
        self._held, self._uncertain = [], None


def opened(shared: Shared) -> Input:
    shared.offset += 1
    return replace(announced(CHAT, shared.offset - 1), observed_at=shared.now)


def sent_on(shared: Shared) -> Input:
    shared.offset += 1
    return replace(announced(ELSEWHERE, shared.offset - 1), observed_at=shared.now)


def rejoined(shared: Shared) -> Input:
    return replace(history(joined(1), said(shared.last_id)), observed_at=shared.now)


def next_message(shared: Shared) -> Input:
    shared.last_id += 1
    return replace(push(said(shared.last_id)), observed_at=shared.now)


def amended(shared: Shared) -> Input:
    shared.last_id += 1  # so that no two texts are the same
    return replace(push(said(2, f"changed {shared.last_id}")), observed_at=shared.now)


def damaged(shared: Shared) -> Input:
    return replace(push(), damaged=[Damaged(b'{"userId":5}', "userId: expected str", None)], observed_at=shared.now)


def unreadable(shared: Shared) -> Input:
    return QuarantinedInput("chat-1:4800", b"garbage", NO_JSON, 7, followed=(CHAT,), observed_at=shared.now)


def over(shared: Shared) -> Input:
    return replace(push(over=True), observed_at=shared.now)


def lost_link(shared: Shared) -> Input:
    return LinkDown(CHAT, A_RESET, shared.now)


def given_up(shared: Shared) -> Input:
    return JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, shared.now)


INPUTS: Final[list[Callable[[Shared], Input]]] = [
    *(opened, sent_on, rejoined, next_message, next_message, amended, damaged, unreadable, over, lost_link, given_up),
]
ATTEMPTS: Final = st.tuples(
    st.integers(0, OWNERS - 1),
    st.lists(st.sampled_from(INPUTS), max_size=4),
    st.sampled_from([ANSWERED, ANSWERED, LOST, FAILED]),
    st.booleans(),
    st.sampled_from([0, 0, 0, 0, A_DAY_AND_MORE]),
)


@given(st.lists(ATTEMPTS, max_size=20))
def test_every_input_takes_effect_once_and_what_is_written_and_counted_is_what_it_is_without_faults(
    attempts: list[tuple[int, list[Callable[[Shared], Input]], str, bool, int]],
) -> None:
    shared = Shared()
    owners = [Owner(number, shared) for number in range(OWNERS)]
    owners[0].attempt([opened(shared), rejoined(shared)], ANSWERED)
    made = list(shared.effects[0].inputs)
    for number, kinds, outcome, probe, passed in attempts:
        shared.now += passed
        inputs = [make(shared) for make in kinds]
        made += inputs
        owners[number].attempt(inputs, outcome, probe=probe)
    for owner in owners:
        owner.attempt([], ANSWERED)
        while not owner.idle:
            owner.attempt([], ANSWERED)
    assert Counter(id(one) for effect in shared.effects for one in effect.inputs) == Counter(id(one) for one in made)
    assert shared.numbers == list(range(1, len(shared.numbers) + 1))
    assert shared.topic.highest() == len(shared.numbers)
    same_without_faults(shared)


def same_without_faults(shared: Shared) -> None:
    """Fold in a shard that has one owner and no faults what took effect; compare what is on Kafka, and the facts."""
    calm = Shared()
    store = SessionStore(3, settings(closed_retention_us=DAY))
    for effect in shared.effects:
        if effect.restored:
            store = calm.topic.store(0, closed_retention_us=DAY)
        plan = store.fold(effect.inputs, effect.now, mark=effect.probe)
        calm.facts += plan.facts
        if plan.number:
            calm.commit(plan)
    assert calm.written == shared.written
    assert calm.numbers == shared.numbers
    assert sorted(map(repr, calm.facts)) == sorted(map(repr, shared.facts))
    assert chats(calm) == chats(shared)


def chats(shared: Shared) -> dict[str, Any]:
    """Return the checkpoints of the chats, but for the owners that wrote them."""
    heads = shared.topic.heads().items()
    return {
        "heads": {session_id: replace(head, stamp=BatchStamp(0, head.stamp.number)) for session_id, head in heads},
        "segments": [replace(session, head=None) for session in shared.topic.shard(WRITERS).sessions],
    }
