from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.image import surroundings_of_images
from tests.image.image_engine import ImageEngine
from tests.integration.capturing_bridge import QUICK_TRANSACTION_TIMEOUT
from tests.support.secured_broker import SecuredBroker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def engine() -> Iterator[ImageEngine]:
    """Give an engine that has built the image. What this machine lacks for that is an error, not a skipped test."""
    surroundings_of_images.prepare()
    with ImageEngine() as engine:
        yield engine


@pytest.fixture(scope="session")
def secured_broker() -> Iterator[SecuredBroker]:
    """Give a broker with TLS, passwords and permissions."""
    with SecuredBroker(overrides=QUICK_TRANSACTION_TIMEOUT) as broker:
        yield broker
