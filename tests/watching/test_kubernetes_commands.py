"""kubectl executes the lines of the docs against an API with the objects of deploy/kubernetes: no cluster is at hand.

What they ask for is right, then; what a cluster does with a request to a pod (`exec`, `port-forward`) is not shown.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.documentation.reference_pages import ROOT
from tests.support.kubernetes_api import MANIFESTS, KubernetesApi, manifests, with_pods
from tests.support.shell_lines import execute
from tests.watching.runbook_entries import RUNBOOK, entries

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.watching

NAMESPACE = "capture"
POD = "chatbridge-0"
SECRET_FILES = ("kafka-password", "kafka-ca.pem", "http-token", "metrics-token")
COMMANDS = tuple(
    dict.fromkeys(command for entry in entries() for command in entry.commands if command.startswith("kubectl "))
)
OF_LOGS = tuple(command for command in COMMANDS if command.startswith("kubectl logs "))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[KubernetesApi]:
    assert shutil.which("kubectl"), "kubectl is missing (Debian: apt-get install kubernetes-client)"
    objects = with_pods(manifests(), NAMESPACE)
    objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "chatbridge", "namespace": NAMESPACE}})
    with KubernetesApi(objects, NAMESPACE, {POD: "a line of the log\n"}) as serving:
        serving.write_kubeconfig(tmp_path / "kubeconfig")
        yield serving


def executed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Execute a line of the docs in a folder that has `kubeconfig`."""
    environment = {**os.environ, "HOME": str(folder), "KUBECONFIG": str(folder / "kubeconfig"), "POD": POD}
    return execute(command, folder, environment)


def printed(command: str, folder: Path) -> str:
    done = executed(command, folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", [one for one in COMMANDS if one not in OF_LOGS])
def test_a_command_of_the_runbook_finds_what_it_asks_for(api: KubernetesApi, tmp_path: Path, command: str) -> None:
    replicas = next(one["spec"]["replicas"] for one in manifests() if one["kind"] == "StatefulSet")
    workers = [f"chatbridge-{number}" for number in range(replicas)]
    shown = printed(command, tmp_path)
    if command.startswith("kubectl describe pod"):
        assert re.search(rf"^Name: +{POD}$", shown, re.MULTILINE)
    elif command.startswith("kubectl describe statefulset"):
        assert re.search(r"^Name: +chatbridge$", shown, re.MULTILINE)
        assert re.search(r"^Pods Status: +\d+ Running", shown, re.MULTILINE)
    elif command == "kubectl get secrets":
        assert "chatbridge" in shown.split()
    else:
        assert set(re.findall(r"\bchatbridge-\d+\b", shown)) == set(workers)
    assert {method for method, _, _ in api.asked} == {"GET"}
    assert [path for _, path, _ in api.asked if "/namespaces/" in path and f"/{NAMESPACE}/" not in path] == []


@pytest.mark.parametrize("command", [one.partition(" | ")[0] for one in OF_LOGS])
def test_a_log_is_read_whole_or_from_the_process_before(api: KubernetesApi, tmp_path: Path, command: str) -> None:
    assert printed(command, tmp_path) == "a line of the log\n"
    [parameters] = [dict(given) for _, path, given in api.asked if path.endswith(f"/pods/{POD}/log")]
    parameters.pop("container", None)  # the only one: newer versions name it
    before = {"previous": "true", "tailLines": "50"}
    assert parameters == (before if "--previous" in command else {})


def test_the_runbook_has_commands_of_every_kind() -> None:
    words = {" ".join(command.split()[:2]) for command in COMMANDS}
    assert words == {"kubectl get", "kubectl describe", "kubectl logs"}


@pytest.mark.parametrize(
    ("command", "path", "wanted"),
    [
        (
            'kubectl exec "$POD" -- chatbridge doctor',
            "exec",
            [("command", "chatbridge"), ("command", "doctor"), ("container", "chatbridge")],
        ),
        ('kubectl port-forward "pod/$POD" 8080:8080', "portforward", []),
    ],
)
def test_what_a_pod_is_asked_to_do_is_asked_of_the_right_pod(
    api: KubernetesApi, tmp_path: Path, command: str, path: str, wanted: list[tuple[str, str]]
) -> None:
    assert command in RUNBOOK.read_text("utf-8")
    done = executed(command, tmp_path)
    assert done.returncode == 1
    assert "only be read here" in done.stderr or "Forbidden" in done.stderr, done.stderr
    *_, (_, asked, parameters) = api.asked
    assert asked == f"/api/v1/namespaces/{NAMESPACE}/pods/{POD}/{path}"
    assert [one for one in parameters if one[0] in {"command", "container"}] == wanted


def test_the_namespace_can_be_set_once(api: KubernetesApi, tmp_path: Path) -> None:
    command = "kubectl config set-context --current --namespace=capture"
    assert command in RUNBOOK.read_text("utf-8")
    printed(command.replace("capture", "elsewhere"), tmp_path)
    assert executed("kubectl get secrets", tmp_path).returncode == 1  # the API has one namespace
    printed(command, tmp_path)
    assert "chatbridge" in printed("kubectl get secrets", tmp_path).split()
    assert [path for _, path, _ in api.asked if path.endswith("/secrets")] == [
        f"/api/v1/namespaces/{name}/secrets" for name in ("elsewhere", NAMESPACE)
    ]


def test_the_secret_of_the_guide_has_the_files_that_the_manifests_mount(api: KubernetesApi, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    [made] = re.findall(r"^   (kubectl -n capture create secret (?:.*\\\n)?.*)$", guide, re.MULTILINE)
    for name in SECRET_FILES:
        (tmp_path / name).write_text("invented", "utf-8")
    secret = yaml.safe_load(printed(f"{made} --dry-run=client -o yaml", tmp_path))
    assert secret["metadata"]["namespace"] == NAMESPACE
    [settings] = [one["data"] for one in manifests() if one["kind"] == "ConfigMap"]
    named = re.findall(r"/run/secrets/chatbridge/([a-z.-]+)", "".join(settings.values()))
    assert set(secret["data"]) == set(named) == set(SECRET_FILES)
    [volume] = [
        one["secret"]["secretName"]
        for workers in manifests()
        if workers["kind"] == "StatefulSet"
        for one in workers["spec"]["template"]["spec"]["volumes"]
        if "secret" in one
    ]
    assert secret["metadata"]["name"] == volume
    assert {method for method, _, _ in api.asked} <= {"GET"}


def test_the_manifests_are_objects_that_kubectl_would_apply(api: KubernetesApi, tmp_path: Path) -> None:
    command = "kubectl -n capture apply -f deploy/kubernetes/"
    assert f"`{command}`" in (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    tried = command.replace("deploy/kubernetes/", str(MANIFESTS)) + " --dry-run=client --validate=false"
    lines = printed(tried, tmp_path).splitlines()
    assert len(lines) == len(manifests())
    assert {method for method, _, _ in api.asked} == {"GET"}
