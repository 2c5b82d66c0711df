"""Compiles the pure packages: `python tests/packaging/core_build.py FOLDER` puts the extension modules below FOLDER.

With files behind FOLDER, it compiles those only. Run in the top folder of the source, by an interpreter that has mypyc,
setuptools and what the program depends on; the modules are for that interpreter, and for the C library and processor
of this machine. The same source, compiler and interpreter give the same bytes: wherever the source and FOLDER lie, and
in whatever order files are compiled.

Each Python file stays beside its extension module, which the import system prefers: tracebacks show its lines.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES: Final = ("bridge/chatserver", "bridge/records", "bridge/transcript")
OF_CAPTURE: Final = (
    "batch_builder",
    "chat",
    "chat_checkpoints",
    "chat_closing",
    "chat_subjects",
    "inbox",
    "known_offsets",
    "output_sessions",
    "outputs",
    "session_store",
    "session_store_settings",
)
"""The modules of `bridge/capture` that most events go through. The others run seldom, or wait for something."""
LEFT_OUT: Final = {
    # msgspec reads the annotations of its structures, of which mypyc keeps no more than the class.
    "bridge/chatserver/decoded.py": "structures of msgspec",
    "bridge/chatserver/messages.py": "structures of msgspec",
    "bridge/chatserver/psdk_tolerant.py": "msgspec.Raw, which is no bytes, although its types say so",
    "bridge/records/record_lines.py": "structures of msgspec",
    "bridge/records/resting_chats.py": "structures of msgspec",
    "bridge/records/verified_chat.py": "structures of msgspec",
    "bridge/transcript/events.py": "structures of msgspec",
    "bridge/records/patterns.py": "a pattern of surrogates, which mypyc's literals cannot hold",
}
"""Module -> why it stays Python."""
LICENCE: Final = "bridge/MYPYC-LICENSE.txt"
"""The licence of mypyc, whose runtime is part of what it compiles."""
GROUP: Final = "chatbridge_core"
"""What the library that has the code is named after; an extension module beside each file only names it."""
# Assertions stay: mypyc turns those of the source into code of its own, NDEBUG is for those of its C.
# -O2 takes nearly twice the time of the compiler (145 s of CPU instead of 81); what it makes was not measurably faster.
FLAGS: Final = ("-O1", "-g0", "-fPIC", "-fwrapv", "-DNDEBUG", "-w")


def modules(source: Path) -> list[str]:
    """Return the files to compile, from the top folder `source`; those of packages themselves are as good as empty."""
    found = (path for package in PACKAGES for path in sorted((source / package).rglob("*.py")))
    names = [str(path.relative_to(source)) for path in found if path.name != "__init__.py"]
    names += [f"bridge/capture/{name}.py" for name in OF_CAPTURE]
    return [name for name in names if name not in LEFT_OUT]


def compile_core(source: Path, target: Path, files: Sequence[str]) -> None:
    """Write the extension modules below `target`. Raises CalledProcessError with what a compiler said on its output."""
    with tempfile.TemporaryDirectory(prefix="chatbridge-core-") as name:
        work = Path(name)
        shutil.copytree(source / "bridge", work / "bridge", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        shutil.copy(source / "pyproject.toml", work)
        (target / LICENCE).parent.mkdir(parents=True, exist_ok=True)
        (target / LICENCE).write_text(_licence(), "utf-8")
        os.chdir(work)  # paths in messages, and in the modules, are relative to it
        extensions = _generated(files)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            parts = [
                (one.name, [pool.submit(_object, one.include_dirs, file) for file in one.sources]) for one in extensions
            ]
            links = [pool.submit(_link, name, [each.result() for each in objects], target) for name, objects in parts]
            for link in links:
                link.result()


def _licence() -> str:
    [file] = [file for file in metadata.files("mypy") or () if file.parts[1:] == ("licenses", "LICENSE")]
    return file.read_text("utf-8")


def _generated(files: Sequence[str]) -> list[Any]:
    """Translate to C below `build`; return setuptools' description of each extension module."""
    from mypyc.build import mypycify  # noqa: PLC0415 - only what compiles needs it

    said = io.StringIO()
    try:
        with redirect_stdout(said):
            # One C file for each module: a single one for all takes longer, and uses one processor.
            return list(mypycify(["--config-file=pyproject.toml", *files], multi_file=True, group_name=GROUP))
    except SystemExit:
        sys.stderr.write(said.getvalue())
        raise


def _object(include: Sequence[str], file: str) -> str:
    """Compile a C file; return the object file."""
    compiled = f"{file}.o"
    places = [sysconfig.get_path("include"), sysconfig.get_path("platinclude"), *include]
    more = shlex.split(os.environ.get("CFLAGS", ""))
    _run(*_compiler(), *FLAGS, *more, *(f"-I{place}" for place in dict.fromkeys(places)), "-c", file, "-o", compiled)
    return compiled


def _link(name: str, objects: list[str], target: Path) -> None:
    path = target.joinpath(*name.split(".")).with_suffix(sysconfig.get_config_var("EXT_SUFFIX"))
    path.parent.mkdir(parents=True, exist_ok=True)
    _run(*_compiler(), "-shared", "-s", *sorted(objects), "-o", str(path))


def _compiler() -> list[str]:
    """Return the C compiler's words: those of CC, or cc. The interpreter's own ones name places of its own."""
    return shlex.split(os.environ.get("CC", "cc"))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # mypyc's order of what it writes follows sets
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606
    here, (folder, *named) = Path.cwd(), sys.argv[1:]
    compile_core(here, Path(folder).absolute(), named or modules(here))
