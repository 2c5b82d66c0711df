"""Whatever comes to a chat whose tenant changes: outputs of parts verify, and hold nothing that is not theirs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given
from hypothesis import strategies as st

from bridge.capture.session_store import SessionStore
from bridge.records.selection import Where
from tests.capture.test_any_inputs import INPUTS
from tests.capture.test_recovered_outputs import compared
from tests.capture.test_session_store import NOW, SECOND, announcement
from tests.capture.two_outputs import MASKED, PARTITION, WHOLE, RecordedOutputs, settings_of
from tests.transcript.build import history

if TYPE_CHECKING:
    from bridge.capture.outputs import Output

SOUTH: Final = replace(WHOLE, where=Where(tenant=("south",)))
PARTS: Final = (
    replace(MASKED, where=Where(tenant=("north",))),
    replace(MASKED, where=Where(kind=("MESSAGE", "PARTY_*"))),
    replace(MASKED, where=Where(tenant=("north",), user_type=("CLIENT",))),
)
STEPS: Final = st.lists(st.sampled_from(["", "", "north", "south", "restart", "lose"]), min_size=8, max_size=8)


@given(INPUTS, STEPS, st.sampled_from(PARTS), st.sampled_from([WHOLE, SOUTH]))
def test_parts_verify_whatever_comes_and_hold_nothing_of_others(
    transactions: list[list[Any]], steps: list[str], part: Output, first: Output
) -> None:
    outputs = (first, part)
    shard = RecordedOutputs(*outputs)
    now, tenant = NOW, None
    for number, (transaction, step) in enumerate(zip(transactions, steps, strict=False), 1):
        now += ("wait" in transaction) * 40 * SECOND
        if step in {"north", "south"}:
            tenant = step
            shard.fold(announcement(offset=number, tenant=step), now=now)
        elif step == "restart":
            shard.restart(*outputs)
        elif step == "lose" and first is WHOLE:
            store = SessionStore(PARTITION, settings_of(*outputs))
            found = compared(shard, store, outputs)
            store.adopt([*found.chats, *found.over])
            shard.store, shard.topic.values = store, {}
            shard.fold(announcement(offset=number, tenant=tenant), now=now)
            shard.fold(history(), now=now)  # whoever has no state joins before anything else comes
        shard.fold(*(one for one in transaction if not isinstance(one, str)), now=now)
    for written, output in ((shard.whole, first), (shard.masked, part)):
        assert [str(finding) for finding in written.findings() if finding.broken] == []
        names = set() if output.where is None else set(output.where.tenant)
        if names:
            assert {one["session"]["tenant"] for one in written.records()} <= names
            assert {one["tenant"] for one in written.session_records()} <= names
