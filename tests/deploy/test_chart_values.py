"""Values of every kind pass Helm's checks; what is misspelt, contradictory or secret is refused before installing."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.deploy.deploy_tools import helm
from tests.deploy.rendered_chart import KINDS, KUBERNETES, documents, of_kind, template

if TYPE_CHECKING:
    from pathlib import Path

MINIMAL = ("--values", str(KINDS["minimal"]))


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
