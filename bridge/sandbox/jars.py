"""Fetches Java programs from Maven Central into a cache, and gives the Java options to start them quickly.

The cache is `~/.cache/chatbridge`, or `CHATBRIDGE_CACHE`. Each program is a pom beside this file whose
`package` phase puts all it needs into the directory `sandbox.directory`; the cache key is a hash of that pom.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE_VARIABLE = "CHATBRIDGE_CACHE"

_SET_CACHE = f"set HOME or {CACHE_VARIABLE} to a folder that can be written"
_LOWEST_JAVA = 17
_MAVEN_TIMEOUT_SECONDS = 1_200
_ERRORS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class JavaProgram:
    """A program in Maven Central: its display name, its pom (a name beside this file, or a path), its size."""

    title: str
    pom: str
    megabytes: int

    def fetch(self) -> Path:
        """Return the directory that holds the program, downloading it first if this is the first time.

        Several processes may call this at once: one downloads, the others wait for it. A directory is renamed to
        its final name only when it is complete.

        Raises:
            EnvironmentFault: Java is missing or too old, Maven is missing or failed, or the cache cannot be written.
        """
        java()
        pom = (Path(__file__).parent / self.pom).read_bytes()
        home = cache_directory()
        directory = home / f"{Path(self.pom).stem}-{hashlib.sha256(pom).hexdigest()[:12]}"
        if directory.exists():
            return directory
        try:
            home.mkdir(parents=True, exist_ok=True)
            with _locked(directory.with_suffix(".lock")):
                if not directory.exists():
                    self._download(pom, directory)
        except OSError as error:
            raise EnvironmentFault(
                f"cannot write to the cache {home}: {error.strerror or type(error).__name__}", next_step=_SET_CACHE
            ) from error
        return directory

    def _download(self, pom: bytes, directory: Path) -> None:
        print(  # noqa: T201 - the download may take minutes, and the user should know why
            f"fetching {self.title} from Maven Central (about {self.megabytes} MB, once)...",
            file=sys.stderr,
            flush=True,
        )
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=directory.parent) as scratch:
            # Maven writes beside the pom, and the installed package may be read-only.
            copy, target = Path(scratch, "pom.xml"), Path(scratch, "program")
            copy.write_bytes(pom)
            _maven(self.title, ["-f", str(copy), f"-Dsandbox.directory={target}", "package"])
            target.rename(directory)


@cache
def java() -> str:
    """Return the path of a Java that is new enough: that of `JAVA_HOME`, else the first in `PATH`.

    Raises:
        EnvironmentFault: there is none, or it is too old.
    """
    next_step = f"install a Java runtime {_LOWEST_JAVA} or later and put it into PATH or JAVA_HOME"
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home, "bin"))) if home else shutil.which("java")
    if found is None:
        where = f"JAVA_HOME ({home})" if home else "PATH"
        raise EnvironmentFault(f"no Java in {where}; the local servers are Java programs", next_step=next_step)
    properties = subprocess.run(
        [found, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False
    ).stderr
    version = re.search(r"java\.specification\.version = (?:1\.)?(\d+)", properties)
    if version is None or int(version[1]) < _LOWEST_JAVA:
        is_version = f"Java {version[1]}" if version else "of an unknown version"
        raise EnvironmentFault(f"{found} is {is_version}; Java {_LOWEST_JAVA} is needed", next_step=next_step)
    return found


class ClassArchive:
    """Java's memory image of a program's loaded classes: it more than halves the time to start.

    The first run records it while it ends (`-XX:ArchiveClassesAtExit`), later runs use it.

    Args:
        program: the directory that `JavaProgram.fetch` returned.
        scratch: where a recording may be written.
    """

    def __init__(self, program: Path, scratch: Path) -> None:
        # Only the same Java build can read it; another one ignores it silently.
        runtime = Path(java()).resolve()
        identity = hashlib.sha256(f"{runtime} {runtime.stat().st_mtime_ns}".encode()).hexdigest()[:12]
        self._archive = program.with_name(f"{program.name}-{identity}.jsa")
        self._recording = scratch / "classes.jsa"

    @property
    def missing(self) -> bool:
        """Whether a recording is wanted."""
        return not self._archive.exists()

    def options(self, *, record: bool) -> list[str]:
        """Return Java's options for a run that uses the archive if there is one, or that records one."""
        if record:
            return [f"-XX:ArchiveClassesAtExit={self._recording}"]
        return [] if self.missing else [f"-XX:SharedArchiveFile={self._archive}"]

    def keep(self) -> None:
        """Put the recording into the cache, after the recording run ended by itself."""
        if self._recording.exists():
            copy = self._archive.with_suffix(f".{os.getpid()}")
            with suppress(OSError):  # a cache that may only be read
                shutil.copyfile(self._recording, copy)
                copy.replace(self._archive)


def _maven(title: str, arguments: list[str]) -> None:
    if shutil.which("mvn") is None:
        raise EnvironmentFault(
            f"no mvn in PATH; Apache Maven downloads {title}", next_step="install Apache Maven 3.6 or later"
        )
    next_step = "check that Maven reaches Maven Central (proxy or mirror in ~/.m2/settings.xml), then run this again"
    try:
        done = subprocess.run(
            ["mvn", "--quiet", "--batch-mode", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_MAVEN_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        waited = f"{_MAVEN_TIMEOUT_SECONDS // 60} minutes"
        raise EnvironmentFault(f"Maven did not fetch {title} within {waited}", next_step=next_step) from None
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if "ERROR" in line and not line.endswith("[ERROR] ")]
        why = "\n".join(f"    {line}" for line in (lines or done.stdout.splitlines())[:_ERRORS_SHOWN])
        raise EnvironmentFault(f"Maven could not fetch {title}:\n{why}", next_step=next_step)


def cache_directory() -> Path:
    """Return the folder of all that is fetched or made once. Raises EnvironmentFault without a home directory."""
    chosen = os.environ.get(CACHE_VARIABLE)
    try:
        return Path(chosen).absolute() if chosen else Path.home() / ".cache" / "chatbridge"
    except RuntimeError:  # no HOME, and a user id that the system does not know
        raise EnvironmentFault("there is no home directory", next_step=_SET_CACHE) from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:  # the kernel lets go of it when the holder dies
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
