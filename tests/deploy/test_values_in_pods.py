"""What the values say of pods is in the rendered StatefulSet: where they run, what they get, what they are made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.deploy.rendered_chart import CHART, KINDS, RELEASE, Document, documents, of_kind, template
from tests.deploy.test_rendered_pods import container_of, pod_of

if TYPE_CHECKING:
    from pathlib import Path

DEFAULTS: Final[dict[str, Any]] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
GIVEN: Final[dict[str, dict[str, Any]]] = {
    kind: yaml.safe_load(path.read_text("utf-8")) for kind, path in KINDS.items()
}
"""Kind of values -> what its file says; DEFAULTS has what it does not say."""


def said(kind: str, name: str) -> Any:
    """Return a value of a kind, which is not empty."""
    value = GIVEN[kind][name]
    assert value
    return value


def selected(found: list[Document]) -> dict[str, str]:
    """Return the labels by which the StatefulSet finds its pods."""
    labels: dict[str, str] = of_kind(found, "StatefulSet")["spec"]["selector"]["matchLabels"]
    return labels


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("arm64", "nodeSelector"),
        ("arm64", "tolerations"),
        ("everything", "affinity"),
        ("everything", "priorityClassName"),
        ("everything", "terminationGracePeriodSeconds"),
    ],
)
def test_the_pod_runs_where_and_as_the_values_say(objects: dict[str, list[Document]], kind: str, name: str) -> None:
    assert pod_of(objects[kind])[name] == said(kind, name)
    assert name == "terminationGracePeriodSeconds" or name not in pod_of(objects["minimal"])


def test_pods_are_spread_as_the_values_say(objects: dict[str, list[Document]]) -> None:
    found = objects["everything"]
    [given] = said("everything", "topologySpreadConstraints")
    wanted = {**given, "labelSelector": {"matchLabels": selected(found)}}
    assert pod_of(found)["topologySpreadConstraints"] == [wanted]


def test_pods_are_spread_over_nodes_and_zones_by_default(objects: dict[str, list[Document]]) -> None:
    found = objects["minimal"]
    assert pod_of(found)["topologySpreadConstraints"] == [
        {
            "topologyKey": key,
            "maxSkew": 1,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selected(found)},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def test_the_container_has_the_variables_of_the_values(objects: dict[str, list[Document]]) -> None:
    own, more = (container_of(objects[kind]) for kind in ("minimal", "everything"))
    assert [one["name"] for one in own["env"]] == ["CHATBRIDGE_CONFIG", "CHATBRIDGE_WORKER_ID"]
    assert more["env"] == [*own["env"], *said("everything", "extraEnv")]
    assert more["envFrom"] == said("everything", "extraEnvFrom")
    assert "envFrom" not in own


def test_the_pod_has_the_volumes_of_the_values_mounted(objects: dict[str, list[Document]]) -> None:
    secrets = said("everything", "secretMounts")
    volumes = pod_of(objects["everything"])["volumes"]
    mounts = container_of(objects["everything"])["volumeMounts"]
    extra = said("everything", "extraVolumes")
    assert [one["name"] for one in volumes] == [
        "config", "secrets", *(f"secret-{name}" for name in sorted(secrets)), *(one["name"] for one in extra)
    ]  # fmt: skip
    assert [one for one in volumes if one in extra] == extra
    for name, secret in secrets.items():
        assert {"name": f"secret-{name}", "secret": {"secretName": secret, "defaultMode": 0o440}} in volumes
        assert {"name": f"secret-{name}", "mountPath": f"/run/secrets/{name}", "readOnly": True} in mounts
    assert mounts[-1:] == said("everything", "extraVolumeMounts")
    assert len(mounts) == len(volumes)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("minimal", RELEASE),
        ("mtls", "chatbridge-tokens"),
        ("own-secret", RELEASE),
        ("everything", f"{RELEASE}-transcripts"),
    ],
)
def test_the_pod_has_the_secret_that_exists_or_that_is_made(
    objects: dict[str, list[Document]], kind: str, name: str
) -> None:
    found = objects[kind]
    [volume] = [one for one in pod_of(found)["volumes"] if one["name"] == "secrets"]
    assert volume["secret"]["secretName"] == name
    made = [one["metadata"]["name"] for one in found if one["kind"] == "Secret"]
    made += [one["spec"]["target"]["name"] for one in found if one["kind"] == "ExternalSecret"]
    assert made == ([name] if kind in {"own-secret", "everything"} else [])
    assert GIVEN[kind].get("secret", {}).get("existingName", name) == name


def test_the_container_is_the_image_of_the_values_or_that_of_the_version(objects: dict[str, list[Document]]) -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["appVersion"]
    assert container_of(objects["minimal"])["image"] == f"chatbridge:{version}"
    given = said("arm64", "image")
    assert container_of(objects["arm64"])["image"] == f"{given['repository']}@{given['digest']}"
    assert pod_of(objects["arm64"])["imagePullSecrets"] == [{"name": name} for name in given["pullSecrets"]]
    for kind in KINDS:
        assert container_of(objects[kind])["imagePullPolicy"] == DEFAULTS["image"]["pullPolicy"]
        assert container_of(objects[kind])["resources"] == DEFAULTS["resources"]


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_pods_as_the_values_say_start_at_once_unless_keda_decides(
    objects: dict[str, list[Document]], kind: str
) -> None:
    spec = of_kind(objects[kind], "StatefulSet")["spec"]
    assert spec.get("replicas") == (None if kind == "everything" else DEFAULTS["replicas"])
    assert spec["podManagementPolicy"] == "Parallel"


def test_the_pod_has_the_labels_and_annotations_of_the_values(objects: dict[str, list[Document]]) -> None:
    metadata = of_kind(objects["everything"], "StatefulSet")["spec"]["template"]["metadata"]
    assert said("everything", "podLabels").items() <= metadata["labels"].items()
    assert said("everything", "podAnnotations").items() <= metadata["annotations"].items()


def test_labels_of_the_values_do_not_hide_the_pods_from_their_set(chart: Path) -> None:
    given = {f"app.kubernetes.io/{one}": "other" for one in ("name", "instance", "component")}
    found = documents(template(chart, "--set-json", f"podLabels={json.dumps(given)}", release="south"))
    labels = of_kind(found, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert selected(found) == {"app.kubernetes.io/name": "chatbridge", "app.kubernetes.io/instance": "south"}
    assert selected(found).items() <= labels.items()
    assert labels["app.kubernetes.io/component"] == "other"


@pytest.mark.parametrize("kind", KINDS)
def test_the_pod_runs_as_the_account_of_the_chart(objects: dict[str, list[Document]], kind: str) -> None:
    account = of_kind(objects[kind], "ServiceAccount")
    assert pod_of(objects[kind])["serviceAccountName"] == account["metadata"]["name"]
    assert account["automountServiceAccountToken"] is False
    wanted = GIVEN[kind].get("serviceAccount", DEFAULTS["serviceAccount"])["annotations"]
    assert account["metadata"].get("annotations", {}) == wanted
