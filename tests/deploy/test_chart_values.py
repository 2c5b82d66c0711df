"""Values of every kind pass Helm's checks; what is misspelt, contradictory or secret is refused before installing."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.deploy.deploy_tools import helm
from tests.deploy.rendered_chart import DEPLOY, KINDS, KUBERNETES, documents, of_kind, template

if TYPE_CHECKING:
    from pathlib import Path

MINIMAL = ("--values", str(KINDS["minimal"]))
GROWN = "settings.kafka.partitions_before={12}"
STRIMZI = "strimzi.topics.enabled=true,strimzi.cluster=c,settings.kafka.replication_factor=3"


@pytest.mark.parametrize("kind", KINDS)
def test_the_chart_is_linted_with_each_kind_of_values(chart: Path, kind: str) -> None:
    command = [str(helm()), "lint", "--strict", "--kube-version", KUBERNETES, "--values", str(KINDS[kind]), str(chart)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("replica=2", "replica"),
        ("ingress.enable=true", "enable"),
        ("service.ipFamilies[0]=IPv5", "ipFamilies"),
        ("image.digest=latest", "digest"),
        ("settings.kafka.bootstrap_server=kafka:9092", "bootstrap_server"),
        ("settings.kafka.client.sasl_plain_user=u", "sasl_plain_user"),
        ("settings.kafka.client.sasl_plain_password=p", "sasl_plain_password"),
        ("settings.http.token=0123456789abcdef", "token"),
        ("settings.worker_id=one", "worker_id"),
        ("settings.capture.drain_seconds=soon", "drain_seconds"),
        ("tokens.admin=,tokens.metrics=", "tokens"),
        ("terminationGracePeriodSeconds=25", "more than capture.drain_seconds"),
        ("secret.existingName=a,secret.create.b=c", "expected one of them"),
        ("secret.create.b=c,secret.external.enabled=true,secret.external.store.name=v", "expected one of the two"),
        ("secret.external.enabled=true", "name the store"),
        ("strimzi.user.enabled=true", "strimzi.cluster"),
        ("strimzi.topics.enabled=true,strimzi.cluster=c", "settings.kafka.replication_factor"),
        (f"{STRIMZI},settings.kafka.partitions_before={{8}}", "settings.kafka.partitions: required"),
        (f"{STRIMZI},settings.kafka.partitions_before={{8,24}},settings.kafka.partitions=12", "expected 24 or more"),
        ("autoscaling.enabled=true", "autoscaling.prometheus"),
        ("ingress.enabled=true", "ingress.host"),
    ],
)
def test_wrong_values_are_refused_by_name(chart: Path, given: str, said: str) -> None:
    template(chart, *MINIMAL)
    with pytest.raises(AssertionError, match=said):
        template(chart, *MINIMAL, "--set", given)


@pytest.mark.parametrize(
    "given", ["settings.site=south", "settings.capture.drain_seconds=30", "tokens.read=read-token"]
)
def test_a_changed_setting_reaches_the_pods(chart: Path, given: str) -> None:
    assert pod_annotations(chart) == pod_annotations(chart)
    assert pod_annotations(chart) != pod_annotations(chart, "--set", given)


def test_a_changed_secret_of_the_chart_reaches_the_pods(chart: Path) -> None:
    own = pod_annotations(chart, "--set", "secret.create.http-token=0123456789abcdef")
    other = pod_annotations(chart, "--set", "secret.create.http-token=0123456789abcdeg")
    assert own.keys() == other.keys() == {"checksum/settings", "checksum/secret"}
    assert own["checksum/settings"] == other["checksum/settings"]
    assert own["checksum/secret"] != other["checksum/secret"]


def pod_annotations(chart: Path, *words: str) -> dict[str, str]:
    workers = of_kind(documents(template(chart, *MINIMAL, *words)), "StatefulSet")
    found: dict[str, str] = workers["spec"]["template"]["metadata"]["annotations"]
    return found


def test_the_values_of_the_documentation_are_accepted(chart: Path, tmp_path: Path) -> None:
    page = (DEPLOY.parent / "docs" / "kubernetes.md").read_text("utf-8")
    [values] = re.findall(r"^ *```yaml\n *# values.yaml\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE)
    file = tmp_path / "values.yaml"
    file.write_text(values, "utf-8")
    assert {one["kind"] for one in documents(template(chart, "--values", str(file)))} >= {"ConfigMap", "StatefulSet"}


def test_every_kind_of_values_is_in_the_documentation() -> None:
    page = (DEPLOY.parent / "docs" / "kubernetes.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([\w-]+)-values.yaml` \|", page, re.MULTILINE)) == KINDS.keys()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("replicas=3", "announce chats at http://chatbridge.capture.svc:8080/v1/sessions with the token in the file"),
        ("replicas=3", "the pods start once the Secret chatbridge exists"),
        ("replicas=13", "WARNING: 13 workers, but kafka.partitions is 12"),
        (f"replicas=25,{GROWN},settings.kafka.partitions=24", "WARNING: 25 workers, but kafka.partitions is 24"),
        ("settings.kafka.bootstrap_servers=", "WARNING: settings.kafka.bootstrap_servers is not set"),
        ("service.port=80", "svc:80/v1/sessions"),
    ],
)
def test_the_notes_say_what_to_do_next(chart: Path, tmp_path: Path, more: str, said: str) -> None:
    assert said.lower() in notes(chart, tmp_path, more).lower()


@pytest.mark.parametrize("more", ["replicas=12", f"replicas=24,{GROWN}"])
def test_the_notes_warn_of_nothing_without_a_cause(chart: Path, tmp_path: Path, more: str) -> None:
    assert "WARNING" not in notes(chart, tmp_path, more)


def notes(chart: Path, folder: Path, more: str) -> str:
    """Return the notes, which `helm template` renders but does not print."""
    copied = folder / "chatbridge"
    shutil.copytree(chart, copied)
    shutil.copy(copied / "templates" / "NOTES.txt", copied / "notes.tpl")
    shown = 'notes: {{ tpl (.Files.Get "notes.tpl") . | toJson }}\n'
    (copied / "templates" / "shown.yaml").write_text(shown, "utf-8")
    text = yaml.safe_load(template(copied, *MINIMAL, "--set", more, "--show-only", "templates/shown.yaml"))["notes"]
    return str(text)
