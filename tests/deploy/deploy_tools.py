"""Installs the tools of these checks, each once, in a version that is named here, into the cache of the sandbox.

The cache is `~/.cache/chatbridge`, or `CHATBRIDGE_CACHE`. A file in each folder says that it is complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.sandbox.jars import cache_directory, java

if TYPE_CHECKING:
    from collections.abc import Callable

HERE: Final = Path(__file__).parent
HELM: Final = "3.18.4"
KUBECONFORM: Final = "0.7.0"
_NEEDED: Final = {"go": "Go 1.24 or later", "mvn": "Apache Maven 3.6 or later", "javac": "a JDK 17 or later"}
_SECONDS: Final = 1_500
_UNOPTIMISED: Final = "-gcflags=all=-N -l"
"""Of Go programs that run for a tenth of a second: a third less processor time for building them."""


@cache
def helm() -> Path:
    """Return Helm; building it takes minutes."""
    return _go_install(f"helm-{HELM}", f"helm.sh/helm/v3/cmd/helm@v{HELM}") / "helm"


@cache
def kubeconform() -> Path:
    """Return kubeconform."""
    return (
        _go_install(f"kubeconform-{KUBECONFORM}", f"github.com/yannh/kubeconform/cmd/kubeconform@v{KUBECONFORM}")
        / "kubeconform"
    )


@cache
def operator_decoder() -> Path:
    """Return the program that decodes custom resources with the Go types of their operators."""
    source = HERE / "decoder"

    def build(folder: Path) -> None:
        _run(["go", "build", _UNOPTIMISED, "-o", str(folder / "decoder"), "."], cwd=source)

    return _cached(f"decoder-{_hash(source)}", build) / "decoder"


@cache
def log_judge() -> Path:
    """Return the program that judges heads and proofs of logs with the libraries of others."""
    source = HERE.parent / "evidence" / "judge"

    def build(folder: Path) -> None:
        _run(["go", "build", _UNOPTIMISED, "-o", str(folder / "judge"), "."], cwd=source)

    return _cached(f"judge-{_hash(source)}", build) / "judge"


@cache
def strimzi_decoder() -> list[str]:
    """Return the command that decodes Strimzi's custom resources with the Java types of its operator."""
    source = HERE / "strimzi"

    def build(folder: Path) -> None:
        pom = folder / "pom.xml"
        shutil.copyfile(source / "pom.xml", pom)
        jars = folder / "jars"
        _run(["mvn", "--quiet", "--batch-mode", "-f", str(pom), f"-Dstrimzi.directory={jars}", "package"])
        _run(["javac", "-cp", f"{jars}/*", "-d", str(folder), str(source / "StrimziDecoder.java")])

    folder = _cached(f"strimzi-{_hash(source)}", build)
    return [java(), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{folder}:{folder}/jars/*", "StrimziDecoder"]


@cache
def kubernetes_validate() -> Path:
    """Return the folder of the Python environment that has kubernetes-validate."""
    return _environment("kubernetes-validate")


@cache
def checkov() -> Path:
    """Return checkov."""
    return _environment("checkov") / "bin" / "checkov"


def _go_install(name: str, package: str) -> Path:
    return _cached(name, lambda folder: _run(["go", "install", _UNOPTIMISED, package], GOBIN=str(folder)))


def _environment(name: str) -> Path:
    """Make a Python environment of its own from a list of versions: checkov pins what others need otherwise."""
    versions = HERE / f"{name}.txt"

    def build(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", str(folder)])
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--no-deps", "-r", str(versions)])

    return _cached(f"{name}-{_hash(versions)}", build)


def _cached(name: str, build: Callable[[Path], None]) -> Path:
    """Return the folder `name` of the cache; `build` fills it the first time, while other processes wait."""
    home = cache_directory()
    home.mkdir(parents=True, exist_ok=True)
    folder, complete = home / name, home / name / ".complete"
    with (home / f"{name}.lock").open("w") as lock:  # the kernel lets go of it when the holder dies
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            print(f"installing {name} into {home} (once)...", file=sys.stderr, flush=True)  # noqa: T201 - takes minutes
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            complete.touch()
    return folder


def _hash(source: Path) -> str:
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def _run(command: list[str], cwd: Path | None = None, **environment: str) -> None:
    if shutil.which(command[0]) is None:
        raise RuntimeError(f"no {command[0]} in PATH; install {_NEEDED.get(command[0], command[0])}")
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}")
