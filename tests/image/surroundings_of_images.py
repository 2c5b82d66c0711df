"""What building and running an image needs of this machine, and the base image that stands in for Docker Hub's.

No registry of images is needed: the base is made of Debian's own packages, from the mirror that this machine's apt
uses, and kept in the cache until what it is made of changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.errors import EnvironmentFault
from bridge.sandbox.jars import cache_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES: Final = {
    "mmdebstrap": "mmdebstrap",
    "buildah": "buildah",
    "podman": "podman",
    "runc": "runc",
    "newuidmap": "uidmap",
}
"""Command -> Debian package that has it."""
SUITE: Final = "bookworm"  # of the official image that the Dockerfile names, too
INSTALLED: Final = ("python3", "python3-venv", "python-is-python3", "ca-certificates")
COMPILER: Final = ("gcc", "libc6-dev", "python3-dev")
"""What the base of the stage that compiles has as well, as the official image without `slim`."""
_NAME_SPACES: Final = ("unshare", "--mount", "--pid", "--fork", "--net", "true")
_PRIVATE: Final = 'rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*'
"""The base does not say which mirror it came from."""


def prepare() -> None:
    """Install the tools that are missing. Raises EnvironmentFault with what cannot be had here."""
    if os.geteuid() != 0:
        raise EnvironmentFault("images are built and run as root here, and this is another user")
    missing = [package for command, package in PACKAGES.items() if shutil.which(command) is None]
    if missing:
        if shutil.which("apt-get") is None:
            raise EnvironmentFault(f"missing: {', '.join(missing)}, and there is no apt-get to install them")
        wait = "-oDPkg::Lock::Timeout=300"
        said(["apt-get", wait, "update", "-qq"])
        said(["apt-get", wait, "install", "-y", "-qq", "--no-install-recommends", *missing], quietly=True)
    done = subprocess.run(_NAME_SPACES, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EnvironmentFault(f"mount, pid and network name spaces cannot be made here: {done.stderr.strip()}")


def base_image(*more: str) -> Path:
    """Return the root file system of the base, with `more` packages, as a tar file: from the cache, or made now."""
    packages = [*INSTALLED, *more]
    made_of = "\n".join([SUITE, *packages, _PRIVATE, said(["mmdebstrap", "--version"])])
    kept = cache_directory() / f"image-base-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}.tar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        being_made = kept.with_name(f"being-made-{os.getpid()}-{kept.name}")
        try:
            words = ["mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}"]
            said([*words, f"--customize-hook={_PRIVATE}", SUITE, str(being_made), *map(str, _sources())], quietly=True)
            being_made.rename(kept)
        finally:
            being_made.unlink(missing_ok=True)
    return kept


def _sources() -> list[Path]:
    """Return the files of this machine's apt that name a mirror of this suite; none: Debian's own mirror is used."""
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))]
    known = [file for file in files if file.suffix in {".list", ".sources"} and file.is_file()]
    return [file for file in known if {SUITE, "main"} <= set(file.read_text("utf-8").split())]


def pip_mounts() -> list[str]:
    """Return the `host:container:ro` of what pip needs to reach an index as it does here: settings and authorities."""
    places = {
        Path("/etc/pip.conf"): "/etc/pip.conf",
        Path.home() / ".config/pip/pip.conf": "/etc/pip.conf",
        Path("/etc/ssl/certs/ca-certificates.crt"): "/etc/ssl/certs/ca-certificates.crt",
    }
    return [f"{file}:{place}:ro" for file, place in places.items() if file.is_file()]


def said(words: Sequence[str], *, environment: dict[str, str] | None = None, quietly: bool = False) -> str:
    """Run a program and return what it printed. Raises EnvironmentFault with the end of what it said on failure."""
    done = subprocess.run(
        words,
        env={**os.environ, **(environment or {}), "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise EnvironmentFault(f"{' '.join(words[:3])} ends with {done.returncode}: {done.stderr[-3000:]}")
    return "" if quietly else done.stdout.strip()
