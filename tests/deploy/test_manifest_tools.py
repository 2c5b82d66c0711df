"""Tools that know Kubernetes judge the rendered objects: kubernetes-validate, kubeconform, checkov."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.deploy.deploy_tools import checkov, kubeconform, kubernetes_validate
from tests.deploy.rendered_chart import KINDS, Document

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS: Final = ("1.29.0", "1.33.0", "1.37.0")
"""Versions of Kubernetes: the oldest that clouds still run, one between, the newest that the tool knows."""
ELSEWHERE: Final = "/api/_definitions.json#/"
"""How the schemas of kubernetes-validate refer to the file of definitions that they share."""
EXCEPTIONS: Final = {
    "CKV_K8S_11": "no CPU limit: throttling would delay commits, and the pings that keep links alive",
    "CKV_K8S_15": "the image of a version does not change, and a node without a registry at hand may restart a worker",
    "CKV_K8S_21": "the namespace is the one that `helm install` or `kubectl apply` is told",
    "CKV_K8S_40": "with arbitraryUser the platform chooses the user id",
    "CKV_K8S_43": "the digest is that of the site's own registry: image.digest sets it",
}
"""Check of checkov -> why the chart does not do as it says by default."""


def is_of_kubernetes(document: Document) -> bool:
    group = document["apiVersion"].rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


@pytest.fixture(scope="session")
def files(objects: dict[str, list[Document]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return kind of values -> a file with the objects that Kubernetes itself knows."""
    folder = tmp_path_factory.mktemp("kubernetes")
    found = {kind: folder / f"{kind}.yaml" for kind in objects}
    for kind, file in found.items():
        file.write_text(yaml.safe_dump_all(one for one in objects[kind] if is_of_kubernetes(one)), "utf-8")
    return found


def names(file: Path) -> list[str]:
    return sorted(f"{one['kind'].lower()}/{one['metadata']['name']}" for one in yaml.safe_load_all(file.read_text()))


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_validate_accepts_every_object(files: dict[str, Path], version: str) -> None:
    done = validated([*files.values()], version)
    assert done.returncode == 0, done.stdout
    passed = [line.split() for line in done.stdout.splitlines() if " passed for resource " in line]
    every = sorted(name for file in files.values() for name in names(file))
    assert sorted(words[words.index("resource") + 1] for words in passed) == every


def test_kubernetes_validate_finds_a_misspelt_field(files: dict[str, Path], tmp_path: Path) -> None:
    misspelt = tmp_path / "misspelt.yaml"
    misspelt.write_text(
        files["minimal"].read_text("utf-8").replace("readOnlyRootFilesystem", "readOnlyRootFs"), "utf-8"
    )
    done = validated([files["tls"], misspelt, files["mtls"]], VERSIONS[0])
    assert done.returncode != 0
    assert "readOnlyRootFs" in done.stdout


def validated(files: list[Path], version: str) -> subprocess.CompletedProcess[str]:
    command = [str(kubernetes_validate() / "bin" / "kubernetes-validate"), "-k", version, "--strict"]
    return subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def schemas(objects: dict[str, list[Document]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of schemas for kubeconform, each in one file: it resolves no reference to another one."""
    folder = tmp_path_factory.mktemp("schemas")
    [source] = (kubernetes_validate() / "lib").glob("python*/site-packages/kubernetes_validate/kubernetes-json-schema")
    used = {schema_name(one) for found in objects.values() for one in found if is_of_kubernetes(one)}
    for version in VERSIONS:
        given = source / f"v{version}-local-strict"
        shared = given.joinpath("_definitions.json").read_text("utf-8").replace(ELSEWHERE, "#/")
        (folder / f"v{version}").mkdir()
        for name in used:
            schema = json.loads(given.joinpath(name).read_text("utf-8").replace(ELSEWHERE, "#/"))
            schema["$defs"] = json.loads(shared)["$defs"]
            folder.joinpath(f"v{version}", name).write_text(json.dumps(schema), "utf-8")
    return folder


def schema_name(document: Document) -> str:
    group, _, version = document["apiVersion"].rpartition("/")
    parts = [document["kind"].lower(), *([group.partition(".")[0]] if group else []), version]
    return f"{'-'.join(parts)}.json"


@pytest.mark.parametrize("version", VERSIONS)
def test_kubeconform_accepts_every_object(files: dict[str, Path], schemas: Path, version: str) -> None:
    summary = conforms(list(files.values()), schemas, version)
    assert summary == {"valid": sum(len(names(one)) for one in files.values()), "invalid": 0, "errors": 0, "skipped": 0}


def test_kubeconform_finds_a_misspelt_field(files: dict[str, Path], schemas: Path, tmp_path: Path) -> None:
    misspelt = tmp_path / "misspelt.yaml"
    misspelt.write_text(files["minimal"].read_text("utf-8").replace("podManagementPolicy", "podPolicy"), "utf-8")
    assert conforms([misspelt], schemas, VERSIONS[0])["invalid"] == 1


def conforms(files: list[Path], schemas: Path, version: str) -> dict[str, int]:
    place = f"{schemas}/{{{{.NormalizedKubernetesVersion}}}}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    command = [str(kubeconform()), "-strict", "-summary", "-output", "json", "-kubernetes-version", version]
    words = ["-schema-location", place, *map(str, files)]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    summary: dict[str, int] = json.loads(done.stdout)["summary"]
    return summary


def test_checkov_complains_of_nothing_but_the_exceptions(rendered: dict[str, str], tmp_path: Path) -> None:
    for kind, text in rendered.items():
        (tmp_path / f"{kind}.yaml").write_text(text, "utf-8")
    command = [str(checkov()), "-d", str(tmp_path), "--framework", "kubernetes", "--compact", "--skip-download"]
    done = subprocess.run([*command, "-o", "json"], capture_output=True, text=True, check=False)
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > len(KINDS)
    failed = {one["check_id"]: f"{one['check_name']}: {one['resource']}" for one in report["results"]["failed_checks"]}
    assert failed.keys() == EXCEPTIONS.keys(), failed
