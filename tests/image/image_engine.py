"""Buildah and podman with a storage of their own, which ends with the engine."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from tests.image.surroundings_of_images import COMPILER, base_image, pip_mounts, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

ROOT: Final = Path(__file__).parents[2]
IMAGE: Final = "localhost/chatbridge:test"
UCS_IMAGE: Final = "localhost/chatbridge-ucs:test"
BASE: Final = "localhost/base-of-the-tests:latest"
COMPILER_BASE: Final = "localhost/compiler-of-the-tests:latest"
# crun refuses hybrid cgroups, and without limits of their own setrlimit is refused in some sandboxes.
_RUNTIME: Final = ("podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs")
_LIMITS: Final = ("--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096")


class ImageEngine:
    """Builds the image when it is entered; `command` runs it. Raises EnvironmentFault when the build fails.

    `base` is the name of the base with its digest, by which the build has to find it.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="chatbridge-image-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        storage = folder / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n', "utf-8"
        )
        self.environment: Mapping[str, str] = {
            "CONTAINERS_STORAGE_CONF": str(storage),
            "XDG_RUNTIME_DIR": str(folder),
        }
        self.base = ""

    def __enter__(self) -> Self:
        self.podman("import", str(base_image()), BASE)
        self.podman("import", str(base_image(*COMPILER)), COMPILER_BASE)
        self.base = f"{BASE.rpartition(':')[0]}@{self.inspected(BASE)['Digest']}"
        self.build(self.base)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.podman("rm", "--all", "--force", "--time", "1")
        self.podman("image", "umount", "--all", "--force")  # mounted as often as it was asked for
        self._folder.cleanup()

    def build(self, base: str) -> None:
        """Build the image on this base."""
        version = said(["git", "-C", str(ROOT), "rev-parse", "HEAD"])
        bases = f"BASE={base}", f"COMPILER={COMPILER_BASE}"
        self._build("Dockerfile", IMAGE, *bases, "VERSION=0.0.0", f"REVISION={version}")

    def build_ucs(self) -> None:
        """Build the image with the extra `ucs` from the other one."""
        self._build("ucs.Dockerfile", UCS_IMAGE, f"BASE={self.base}", f"IMAGE={IMAGE}")

    def _build(self, file: str, image: str, *arguments: str) -> None:
        mounts = [word for mount in pip_mounts() for word in ("-v", mount)]
        words = ["buildah", "bud", "--isolation", "chroot", "--network", "host", "--pull-never", "--format", "docker"]
        named = [f"--build-arg={each}" for each in arguments]
        said(
            [*words, *mounts, *named, "-f", str(ROOT / "deploy" / file), "-t", image, str(ROOT)],
            environment=dict(self.environment),
        )

    def podman(self, *words: str) -> str:
        """Run podman and return what it printed."""
        return said([*_RUNTIME, *words], environment=dict(self.environment))

    def tried(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run podman, which may fail; return how it ended and what it printed."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            [*_RUNTIME, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def run_command(self, name: str, *options: str, args: tuple[str, ...] = (), image: str = IMAGE) -> list[str]:
        """Return the command that runs a container of the image in the foreground; it is removed at its end."""
        return [*_RUNTIME, *self.run_words(name, *options, args=args, image=image)]

    @staticmethod
    def run_words(name: str, *options: str, args: tuple[str, ...] = (), image: str = IMAGE) -> list[str]:
        """Return what podman is called with for that."""
        return ["run", "--rm", "--name", name, "--network", "host", *_LIMITS, *options, image, *args]

    def inspected(self, image: str) -> dict[str, Any]:
        """Return what the engine knows of an image: `Size` in bytes, `Config`, `HealthCheck` and more."""
        [found] = json.loads(self.podman("image", "inspect", image))
        return dict(found)

    def inside(self, *words: str, image: str = IMAGE) -> str:
        """Run a program of the image in a container with nothing but it; return what it printed."""
        entry, *args = words
        command = self.run_command("inside", "--entrypoint", entry, args=tuple(args), image=image)
        return said(command, environment=dict(self.environment))

    def root(self, image: str = IMAGE) -> Path:
        """Return where the file system of an image is mounted, for reading."""
        return Path(self.podman("image", "mount", image))


def files_of(root: Path) -> Iterator[str]:
    """Yield the path of each file of a mounted image, from its root."""
    for path in root.rglob("*"):
        yield f"/{path.relative_to(root)}"
