"""The browser that the tests of the status page share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.watching.browser_tools import missing_packages
from tests.watching.chromium import Chromium

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    assert not missing_packages(), f"`make watching-page` installs {missing_packages()}"
    with Chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started
