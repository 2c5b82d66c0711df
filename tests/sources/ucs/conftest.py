"""The databases of these tests: SQLite, and a PostgreSQL server for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.postgres_server import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that takes a table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ucs.db"
    server: str = request.getfixturevalue("postgres")
    return server
