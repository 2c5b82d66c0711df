"""Settings in documents and manifests load; tests named in documents exist."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from bridge.config import load
from bridge.errors import ConfigError
from tests.documentation.reference_pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = ROOT / "deploy" / "kubernetes" / "config.yaml"


def example(name: str) -> str:
    if name == "README":
        (text,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    else:
        text = yaml.safe_load(MANIFEST.read_text("utf-8"))["data"]["bridge.yaml"]
    return str(text)


@pytest.mark.parametrize("name", ["README", "manifest"])
def test_an_example_of_a_settings_file_lacks_only_its_secrets(name: str, tmp_path: Path) -> None:
    file = tmp_path / "bridge.yaml"
    file.write_text(example(name))
    with pytest.raises(ConfigError) as caught:
        load(file, {}, {})
    for problem in caught.value.message.splitlines()[1:]:
        assert "_file: cannot be read: No such file" in problem or ".pem cannot be read: No such file" in problem


@pytest.mark.parametrize("document", ["tests/integration/README.md", "SECURITY.md"])
def test_a_document_names_tests_that_there_are(document: str) -> None:
    table = (ROOT / document).read_text("utf-8")
    code = {path: path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")}
    functions = {name for text in code.values() for name in re.findall(r"def (test_\w+)", text)}
    names = {path.name for path in code}
    for word in re.findall(r"`(test_\w+|test_\w+\.\.\.|[\w/]+\.py)(?:\[[^`]*\])?`", table):
        if word.endswith(".py"):
            assert (ROOT / word).is_file() or word in names, word
        elif word.endswith("..."):
            assert any(name.startswith(word[:-3]) for name in functions), word
        else:
            assert word in functions, word


def test_every_threat_of_the_http_listeners_names_its_test() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8").partition("## Threat model of the HTTP listeners")[2]
    rows = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 10
    assert [row for row in rows if "`test_" not in row.split("|")[3]] == []
