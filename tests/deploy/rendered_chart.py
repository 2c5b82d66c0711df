"""Renders the chart with Helm: for each kind of values in its folder `ci`, and as the files of deploy/kubernetes."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.deploy.deploy_tools import helm
from tests.deploy.settings_schema import settings_definitions

if TYPE_CHECKING:
    from collections.abc import Iterable

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
CHART: Final = DEPLOY / "helm" / "chatbridge"
MANIFESTS: Final = DEPLOY / "kubernetes"
SCHEMA: Final = CHART / "values.schema.json"
KINDS: Final = {path.name.removesuffix("-values.yaml"): path for path in sorted((CHART / "ci").glob("*-values.yaml"))}
"""Kind of values -> the file that holds them."""
RELEASE: Final = "chatbridge"
NAMESPACE: Final = "capture"
KUBERNETES: Final = "1.33.0"
"""Templates do not depend on the version of the cluster; Helm without a cluster has to be told one."""
_MANIFESTS: Final = {
    "config.yaml": ["configmap"],
    "chatbridge.yaml": ["serviceaccount", "services", "statefulset", "poddisruptionbudget", "networkpolicy"],
    "prometheus-operator.yaml": ["servicemonitor"],
}
"""File of deploy/kubernetes -> the templates that it is made of."""
_OF_HELM: Final = re.compile(r"^(# Source: | *helm\.sh/chart: | *app\.kubernetes\.io/managed-by: ).*\n", re.MULTILINE)
_TEMPLATE: Final = re.compile(r"^# Source: chatbridge/templates/(\w+)\.yaml$", re.MULTILINE)
_HEAD: Final = "# Written by `make manifests` from deploy/helm/chatbridge. Change the chart, not this file.\n"

Document = dict[str, Any]


@cache
def template(chart: Path, *words: str, release: str = RELEASE) -> str:
    """Return what `helm template` prints. Raises AssertionError with what Helm says when it refuses."""
    command = [str(helm()), "template", release, str(chart), "--namespace", NAMESPACE, "--kube-version", KUBERNETES]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(text: str) -> list[Document]:
    """Return the objects in a rendered text."""
    return [one for one in yaml.safe_load_all(text) if one is not None]


def of_kind(found: Iterable[Document], kind: str, name: str = "") -> Document:
    """Return the only object of a kind, or the one whose name ends in `name`."""
    [one] = [each for each in found if each["kind"] == kind and each["metadata"]["name"].endswith(name)]
    return one


def included_files() -> dict[Path, Path]:
    """Return file of the chart -> the file elsewhere in deploy/ that it is a copy of: Helm reads none outside."""
    files = {CHART / "files" / "rules.yaml": DEPLOY / "prometheus" / "rules.yaml"}
    dashboards = sorted((DEPLOY / "grafana").glob("*.json"))
    return files | {CHART / "files" / "dashboards" / path.name: path for path in dashboards}


def values_schema() -> str:
    """Return values.schema.json with the settings as they are now."""
    schema = json.loads(SCHEMA.read_text("utf-8"))
    schema["$defs"] = settings_definitions()
    return json.dumps(schema, indent=2) + "\n"


def manifests() -> dict[str, str]:
    """Return file of deploy/kubernetes -> its text."""
    texts: dict[str, str] = defaultdict(str)
    for text in re.split(r"^---\n", template(CHART, "--values", str(KINDS["manifests"])), flags=re.MULTILINE):
        texts["".join(_TEMPLATE.findall(text))] += f"---\n{text}"
    return {
        name: _HEAD + _OF_HELM.sub("", "".join(texts[one] for one in templates))
        for name, templates in _MANIFESTS.items()
    }
