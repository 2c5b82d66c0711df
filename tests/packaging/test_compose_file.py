"""deploy/compose.yaml against the schema of the Compose specification, and what it is to be beyond it.

No engine has pulled its images here: that they start together is not shown by this.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from bridge.config import load
from tests.packaging.published_files import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_MODULE = "github.com/compose-spec/compose-go/v2@v2.16.2"
FILE = ROOT / "deploy/compose.yaml"
CONTENT: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))


def compose_schema() -> Any:
    """Return the specification's JSON schema, which its Go module has."""
    words = ["go", "mod", "download", "-json", SCHEMA_MODULE]
    done = subprocess.run(words, capture_output=True, text=True, cwd="/", timeout=100, check=True)
    return json.loads((Path(json.loads(done.stdout)["Dir"]) / "schema/compose-spec.json").read_text("utf-8"))


@pytest.mark.image
def test_it_is_valid_and_a_misspelt_field_is_found() -> None:
    assert shutil.which("go") is not None, "Go is needed to fetch the schema of the Compose specification"
    validator = jsonschema.Draft202012Validator(compose_schema())
    assert [error.message for error in validator.iter_errors(CONTENT)] == []
    wrong = {**CONTENT, "services": {**CONTENT["services"], "bridge": {**CONTENT["services"]["bridge"], "prots": []}}}
    assert len(list(validator.iter_errors(wrong))) > 0


def test_it_has_the_bridge_and_everything_around_it() -> None:
    assert CONTENT["services"].keys() == {"kafka", "registry", "bridge", "simulator", "prometheus", "grafana"}


def test_only_loopback_ports_are_published() -> None:
    published = [port for service in CONTENT["services"].values() for port in service.get("ports", [])]
    assert len(published) > 0
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_every_image_has_a_version() -> None:
    images = {service["image"] for service in CONTENT["services"].values()} - {"chatbridge"}
    assert [image for image in images if not re.search(r":v?\d", image)] == []


@pytest.mark.parametrize("service", ["bridge", "simulator"])
def test_the_settings_of_the_bridge_are_settings(service: str) -> None:
    given: Mapping[str, str] = CONTENT["services"][service]["environment"]
    config = load(None, {**given, "CHATBRIDGE_HTTP__TOKEN": "a-token-of-the-tests"}, {})
    assert config.kafka.bootstrap_servers == "kafka:9092"


def test_what_prometheus_scrapes_is_where_the_bridge_serves_metrics() -> None:
    settings = CONTENT["services"]["bridge"]["environment"]
    scraped = yaml.safe_load(CONTENT["configs"]["prometheus"]["content"])["scrape_configs"][0]["static_configs"]
    assert scraped == [{"targets": [f"bridge:{settings['CHATBRIDGE_HTTP__PROBES_PORT']}"]}]


@pytest.mark.parametrize("name", ["prometheus", "datasource", "dashboards"])
def test_the_files_inside_are_yaml(name: str) -> None:
    assert isinstance(yaml.safe_load(CONTENT["configs"][name]["content"]), dict)
