"""What `make manifests` writes is up to date: the settings in the chart's schema, the chart's copies, the manifests."""

from __future__ import annotations

from tests.deploy.rendered_chart import CHART, MANIFESTS, SCHEMA, included_files, manifests, values_schema

STALE = "run `make manifests`"


def test_the_schema_of_the_values_has_the_settings_as_they_are() -> None:
    assert SCHEMA.read_text("utf-8") == values_schema(), STALE


def test_the_chart_includes_the_alerts_and_dashboards_as_they_are() -> None:
    wanted = {copy: source.read_bytes() for copy, source in included_files().items() if source.exists()}
    found = {path: path.read_bytes() for path in (CHART / "files").rglob("*") if path.is_file()}
    assert found == wanted, STALE


def test_the_manifests_are_those_of_the_chart() -> None:
    made = manifests()
    assert {path.name: path.read_text("utf-8") for path in MANIFESTS.glob("*.yaml")} == made, STALE
