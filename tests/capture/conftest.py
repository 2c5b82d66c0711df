"""Fixtures of the tests of capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.capture import shard_claims, worker_transactions
from tests.capture.link_harness import CHAT, OTHER, LinkHarness

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def harness() -> Iterator[LinkHarness]:
    """Give a shard that follows two chats over one link."""
    with LinkHarness(CHAT, OTHER) as one:
        yield one


@pytest.fixture
def nobody_leaves_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a holder that does not remove its claim hardly any time to do so."""
    monkeypatch.setattr(shard_claims, "GRACE", 0.02)


@pytest.fixture
def soon_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is not acknowledged be looked into at once: does its partition accept nothing?"""
    monkeypatch.setattr(worker_transactions, "_LOOK_AFTER", 0.1)
