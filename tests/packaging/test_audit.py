from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bridge.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_RUNTIME
from tests.packaging.audit import main, verdict
from tests.packaging.published_files import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NOT_ASKED = "audit: the database of vulnerabilities could not be asked; nothing was checked\n"
STANDS_IN = """
import json, pathlib, sys
pathlib.Path(__file__).with_name("words").write_text(json.dumps(sys.argv[1:]))
print({said!r}, file=sys.stderr)
sys.exit({returncode})
"""


@pytest.mark.parametrize(
    ("returncode", "said", "code"),
    [
        (0, "No known vulnerabilities found", 0),
        (1, "Found 1 known vulnerability in 1 package", 1),
        (1, "Found 2 known vulnerabilities in 1 package", 1),
        (1, "ERROR:pip_audit._cli:x: Dependency not found on PyPI and could not be audited", 3),
        (1, "requests.exceptions.ConnectionError", 3),
    ],
)
def test_a_database_that_cannot_be_asked_is_no_verdict(returncode: int, said: str, code: int) -> None:
    assert verdict(returncode, said) == code


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ((0, "No known vulnerabilities found"), EXIT_OK),
        ((1, "Found 1 known vulnerability in 1 package"), EXIT_RUNTIME),
        ((1, "ERROR:pip_audit._cli:x: Dependency not found on PyPI and could not be audited"), EXIT_ENVIRONMENT),
    ],
)
def test_the_whole_lock_is_audited_strictly_and_the_end_tells_the_verdict(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    end: tuple[int, str],
    code: int,
) -> None:
    returncode, said = end
    (tmp_path / "pip_audit.py").write_text(STANDS_IN.format(said=said, returncode=returncode), "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert main() == code
    words = json.loads((tmp_path / "words").read_text("utf-8"))
    assert {"--strict", "--require-hashes"} <= set(words)
    assert words[words.index("-r") + 1] == str(ROOT / "requirements.lock")
    printed = capsys.readouterr().err
    assert printed.startswith(f"{said}\n")
    assert (NOT_ASKED in printed) == (code == EXIT_ENVIRONMENT)


def test_pip_audit_itself_ends_with_3_where_the_database_cannot_be_asked(tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound and not listening: whoever connects is refused
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
        nowhere = {**dict.fromkeys(names, proxy), "NO_PROXY": "", "no_proxy": "", "PIP_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "tests.packaging.audit"],
            cwd=ROOT,
            env={**os.environ, **nowhere},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == EXIT_ENVIRONMENT, done.stderr
    assert done.stderr.endswith(NOT_ASKED)


def test_what_has_to_pass_does_not_depend_on_the_database() -> None:
    stages = re.findall(r"^stage (.+)$", (ROOT / ".ci/run").read_text("utf-8"), re.MULTILINE)
    assert len(stages) > 3
    assert not [stage for stage in stages if "audit" in stage.split()]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"^audit: .*\n\t\$\(VENV\)/bin/python -m tests\.packaging\.audit$", makefile, re.MULTILINE)
