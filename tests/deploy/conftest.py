"""Renders the chart once for each kind of values. The tests need Go, a JDK and Maven (`make deploy-checks`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.rendered_chart import CHART, KINDS, Document, documents, template


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; the first one of a run may install a tool."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.deploy)
            item.add_marker(pytest.mark.timeout(1_800))


@pytest.fixture(scope="session")
def chart() -> Path:
    """Return the chart."""
    return CHART


@pytest.fixture(scope="session")
def rendered() -> dict[str, str]:
    """Return kind of values -> the rendered text."""
    return {kind: template(CHART, "--values", str(values)) for kind, values in KINDS.items()}


@pytest.fixture(scope="session")
def objects(rendered: dict[str, str]) -> dict[str, list[Document]]:
    """Return kind of values -> the rendered objects."""
    return {kind: documents(text) for kind, text in rendered.items()}
