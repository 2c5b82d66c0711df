"""What is in the image, and what is not."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

import pytest

from bridge import __version__
from bridge.errors import EnvironmentFault
from tests.image.image_engine import BASE, IMAGE, ROOT, ImageEngine, files_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]
FIGURES: Final = logging.getLogger("figures")
MOST_ADDED: Final = 90_000_000
INSTALLER: Final = re.compile(r"/(pip|pip3(\.\d+)?|pip-[^/]*|ensurepip|setuptools|setuptools-[^/]*|python-wheels)$")
COMPILERS: Final = re.compile(r"/s?bin/([^/]*-)?(gcc|cc|ld|as)(-\d+)?$|/(cc1|Python\.h|mypyc|mypy)$")
NO_PROGRAMS: Final = ("/usr/share/doc/", "/var/lib/dpkg/")
NOTICES: Final = "opt/chatbridge/share/doc/chatbridge/THIRD-PARTY-NOTICES.txt"


@pytest.fixture(scope="module")
def root(engine: ImageEngine) -> Path:
    return engine.root()


def test_it_adds_at_most_90_mb_to_its_base(engine: ImageEngine) -> None:
    base, whole = engine.inspected(BASE)["Size"], engine.inspected(IMAGE)["Size"]
    FIGURES.info("base %d MB, image %d MB", base // 1_000_000, whole // 1_000_000)
    assert whole - base <= MOST_ADDED


def installers(root: Path) -> list[str]:
    """Return what installs packages, by path: programs, modules, and the archives that a virtual environment gets."""
    return [path for path in files_of(root) if INSTALLER.search(path) and not path.startswith(NO_PROGRAMS)]


def test_it_has_no_pip_although_its_base_has(engine: ImageEngine, root: Path) -> None:
    assert installers(root) == []
    assert len(installers(engine.root(BASE))) > 0


def test_it_has_the_program_without_simulator_sandbox_and_tests(root: Path) -> None:
    [program] = (root / "opt/chatbridge/lib").glob("python3.*/site-packages/bridge")
    source = {path.name for path in (ROOT / "bridge").iterdir() if path.is_dir() and path.name != "__pycache__"}
    inside = {path.name for path in program.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert source - inside == {"simulator", "sandbox"}
    assert inside - source == {"schemas"}
    assert not (root / "build").exists()
    assert not (program.parent / "tests").exists()


def test_its_core_is_compiled_and_what_compiled_it_is_not_in_it(engine: ImageEngine, root: Path) -> None:
    says = "from bridge.core_form import core_form; print(core_form())"
    assert engine.inside("python", "-c", says) == "compiled"
    assert [path for path in files_of(root) if COMPILERS.search(path)] == []


@pytest.mark.parametrize("name", ["demo", "simulate"])
def test_a_command_that_needs_what_is_left_out_says_so(engine: ImageEngine, name: str) -> None:
    says = "import sys; from bridge.cli import main; code = main(sys.argv[1:]); print('code', code)"
    assert engine.inside("python", "-c", says, name) == "code 2"


def test_every_other_command_has_its_help(engine: ImageEngine) -> None:
    says = (
        "from bridge.cli import COMMANDS, main\n"
        "for name in COMMANDS.keys() - {'demo', 'simulate'}:\n"
        "    print(name, main([name, '--help']))\n"
    )
    ends = re.findall(r"^(\w+) (\d+)$", engine.inside("python", "-c", says), re.MULTILINE)
    assert {name for name, code in ends if code == "0"} >= {"run", "healthcheck", "verify", "schemas"}
    assert engine.inside("chatbridge", "--version") == f"chatbridge {__version__}"
    assert "TranscriptEvent" in engine.inside("chatbridge", "schemas", "print")


def test_its_configuration_names_user_health_check_entry_point_and_labels(engine: ImageEngine) -> None:
    found = engine.inspected(IMAGE)
    config = found["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["chatbridge"]
    assert config["Cmd"] == ["run"]
    assert config["StopSignal"] == "SIGTERM"
    check = found.get("HealthCheck") or found.get("Healthcheck") or config["Healthcheck"]
    assert check["Test"] == ["CMD", "chatbridge", "healthcheck"]
    assert check["Timeout"] >= 3_000_000_000
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch(r"[0-9a-f]{40}", labels["revision"])
    assert {"title", "description", "version", "base.name"} <= labels.keys()


def test_it_is_built_on_the_base_of_the_digest_that_the_build_was_given(engine: ImageEngine) -> None:
    digest = engine.inspected(BASE)["Digest"]
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    assert engine.base.endswith(f"@{digest}")
    found = engine.inspected(IMAGE)
    assert found["Config"]["Labels"]["org.opencontainers.image.base.name"] == engine.base
    base, layers = engine.inspected(BASE)["RootFS"]["Layers"], found["RootFS"]["Layers"]
    assert layers[: len(base)] == base
    assert len(layers) > len(base)


def test_a_digest_that_the_base_does_not_have_is_refused(engine: ImageEngine) -> None:
    name, _, digest = engine.base.partition("@sha256:")
    with pytest.raises(EnvironmentFault, match="image not known"):
        engine.build(f"{name}@sha256:{digest[::-1]}")


def test_it_has_the_notices_of_every_package_inside(root: Path) -> None:
    text = (root / NOTICES).read_text("utf-8")
    names = {path.name.partition("-")[0] for path in (root / "opt/chatbridge").rglob("*.dist-info")}
    titles = set(re.findall(r"^={80}\n(\S+) \S+ \(.*\)$", text, re.MULTILINE))
    assert {name.lower().replace("_", "-") for name in names} == {name.lower().replace("_", "-") for name in titles}
    assert len(names) > 20
    assert (root / "opt/chatbridge/share/doc/chatbridge/LICENSE").is_file()
