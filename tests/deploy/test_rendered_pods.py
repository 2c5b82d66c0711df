"""The rendered pods fit the bridge: settings that it loads, files that are mounted, ports, probes and times."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from bridge.config import Config, load
from tests.deploy.rendered_chart import DEPLOY, KINDS, NAMESPACE, Document, of_kind
from tests.support.certificates import Authority
from tests.support.documented_settings import with_mounted_files

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "invented-and-longer-than-16"
_FILES = re.compile(r"/run/secrets/[\w./-]+")


@pytest.fixture(scope="session")
def settings(objects: dict[str, list[Document]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Config]:
    """Return kind of values -> the settings as the container of the pod loads them, with files for those named."""
    folder = tmp_path_factory.mktemp("settings")
    authority = Authority(folder)
    return {kind: loaded(found, folder / kind, authority) for kind, found in objects.items()}


def loaded(found: list[Document], folder: Path, authority: Authority) -> Config:
    container = container_of(found)
    environment = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    [name] = configmap(found)["data"]
    assert environment.pop("CHATBRIDGE_CONFIG") == f"/etc/chatbridge/{name}"
    folder.mkdir()
    text = with_mounted_files(settings_text(found), folder, authority, client="chatbridge", password=PASSWORD)
    (folder / name).write_text(text, "utf-8")
    return load(folder / name, {**environment, "CHATBRIDGE_WORKER_ID": "chatbridge-0"}, {})


def settings_text(found: list[Document]) -> str:
    [text] = configmap(found)["data"].values()
    return str(text)


def configmap(found: list[Document]) -> Document:
    [one] = [each for each in found if each["kind"] == "ConfigMap" and "bridge.yaml" in each["data"]]
    return one


def pod_of(found: list[Document]) -> dict[str, Any]:
    pod: dict[str, Any] = of_kind(found, "StatefulSet")["spec"]["template"]["spec"]
    return pod


def container_of(found: list[Document]) -> dict[str, Any]:
    [container] = pod_of(found)["containers"]
    assert isinstance(container, dict)
    return container


def port_of(found: list[Document], name: str) -> int:
    [port] = [one["containerPort"] for one in container_of(found)["ports"] if one["name"] == name]
    assert isinstance(port, int)
    return port


@pytest.mark.parametrize("kind", KINDS)
def test_the_settings_are_those_of_a_worker_in_a_pod(
    objects: dict[str, list[Document]], settings: dict[str, Config], kind: str
) -> None:
    found, config = objects[kind], settings[kind]
    assert (config.http.host, config.http.port) == ("*", port_of(found, "http"))
    assert (config.http.probes_host, config.http.probes_port) == ("*", port_of(found, "probes"))
    assert config.http.tokens().keys() >= {"token", "metrics_token"}
    assert pod_of(found)["terminationGracePeriodSeconds"] >= config.capture.drain_seconds + 15
    [worker_id] = [one for one in container_of(found)["env"] if one["name"] == "CHATBRIDGE_WORKER_ID"]
    assert worker_id["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert container_of(found)["args"] == ["run"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_that_the_settings_name_is_in_a_mounted_secret(
    objects: dict[str, list[Document]], kind: str
) -> None:
    found = objects[kind]
    mounts = {one["mountPath"]: one["name"] for one in container_of(found)["volumeMounts"] if one.get("readOnly")}
    volumes = {one["name"]: one for one in pod_of(found)["volumes"]}
    made = {one["metadata"]["name"]: files_of(one) for one in found if one["kind"] in {"Secret", "ExternalSecret"}}
    named = _FILES.findall(settings_text(found))
    assert named
    for file in map(PurePosixPath, named):
        secret = volumes[mounts[str(file.parent)]]["secret"]
        assert secret["defaultMode"] == 0o440
        assert file.name in made.get(secret["secretName"], {file.name})


def files_of(secret: Document) -> set[str]:
    if secret["kind"] == "Secret":
        return set(secret["stringData"])
    return {one["secretKey"] for one in secret["spec"]["data"]}


@pytest.mark.parametrize("kind", KINDS)
def test_probes_and_prometheus_ask_the_second_listener_as_it_is(
    objects: dict[str, list[Document]], settings: dict[str, Config], kind: str
) -> None:
    found, config = objects[kind], settings[kind]
    scheme = "HTTPS" if config.http.tls.certificate_file else "HTTP"
    paths = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    for probe, path in paths.items():
        assert container_of(found)[probe]["httpGet"] == {"path": path, "port": "probes", "scheme": scheme}
    for monitor in (one for one in found if one["kind"] == "ServiceMonitor"):
        [endpoint] = monitor["spec"]["endpoints"]
        assert (endpoint["port"], endpoint["path"], endpoint["scheme"]) == ("probes", "/metrics", scheme.lower())
        mounted = next(one for one in pod_of(found)["volumes"] if one["name"] == "secrets")["secret"]["secretName"]
        key = PurePosixPath(re.findall(r"metrics_token_file: (\S+)", settings_text(found))[0]).name
        assert endpoint["authorization"]["credentials"] == {"name": mounted, "key": key}


@pytest.mark.parametrize("kind", KINDS)
def test_announcers_reach_a_worker_that_is_not_ready(objects: dict[str, list[Document]], kind: str) -> None:
    found = objects[kind]
    labels = of_kind(found, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    services = [one["spec"] for one in found if one["kind"] == "Service"]
    assert [one.get("clusterIP") for one in services] == ["None", None]
    for one in services:
        assert one["publishNotReadyAddresses"] is True
        assert one["selector"].items() <= labels.items()
        assert one["ports"][0]["targetPort"] == "http"
    assert (
        of_kind(found, "StatefulSet")["spec"]["serviceName"]
        == of_kind(found, "Service", "-workers")["metadata"]["name"]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_pod_is_as_unprivileged_as_the_image(objects: dict[str, list[Document]], kind: str) -> None:
    pod, container = pod_of(objects[kind]), container_of(objects[kind])
    user = {} if kind == "arm64" else {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **user}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


def test_with_everything_on_all_kinds_of_objects_are_there(objects: dict[str, list[Document]]) -> None:
    kinds = {one["kind"] for one in objects["everything"]}
    assert kinds == {
        "ConfigMap", "ExternalSecret", "Ingress", "KafkaTopic", "KafkaUser", "NetworkPolicy", "PodDisruptionBudget",
        "PrometheusRule", "ScaledObject", "Service", "ServiceAccount", "ServiceMonitor", "StatefulSet",
    }  # fmt: skip
    for one in objects["everything"]:
        labels = one["metadata"]["labels"]
        assert (labels["app.kubernetes.io/name"], labels["team"]) == ("transcripts", "contact-centre")


def test_keda_counts_the_joined_chats_of_the_workers_that_the_monitor_scrapes(
    objects: dict[str, list[Document]],
) -> None:
    found = objects["everything"]
    [trigger] = of_kind(found, "ScaledObject")["spec"]["triggers"]
    job = of_kind(found, "Service", "-workers")["metadata"]["name"]  # Prometheus names the job after the Service
    wanted = f'sum(chatbridge_sessions{{state="joined",namespace="{NAMESPACE}",job="{job}"}})'
    assert (trigger["metricType"], trigger["metadata"]["query"]) == ("AverageValue", wanted)
    assert "| `chatbridge_sessions` |" in (DEPLOY.parent / "docs" / "reference" / "metrics.md").read_text("utf-8")
    workers = of_kind(found, "StatefulSet")
    assert of_kind(found, "ScaledObject")["spec"]["scaleTargetRef"]["name"] == workers["metadata"]["name"]
    assert "replicas" not in workers["spec"]


def test_the_ingress_leads_to_announcements_only(objects: dict[str, list[Document]]) -> None:
    [rule] = of_kind(objects["everything"], "Ingress")["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/v1/sessions", "Exact")
