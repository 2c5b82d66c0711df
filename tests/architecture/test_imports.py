"""The packages and who may import whom (section 2 of the design), read from the source."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bridge"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "backoff": set(),
    "starting": set(),
    "waiting": set(),
    "driver_threads": set(),
    "optional_packages": {"errors"},
    "addresses": set(),
    "announcement": {"addresses", "errors"},
    "secret_files": set(),
    "certificate_dates": set(),
    "certificate_faults": set(),
    "tls": {"certificate_dates", "secret_files"},
    "transcript": {"errors"},
    "chatserver": {"transcript", "errors"},
    "archive": {"transcript", "errors"},
    "records": {"sealing", "transcript", "errors"},
    "sealing": {"errors"},
    "evidence": {"records", "errors"},
    "reconciliation": {"archive", "chatserver", "records", "sealing", "transcript", "errors"},
    "meters": {"archive", "transcript"},
    "core_form": {"transcript"},
    "facts": {"transcript", "meters"},
    "telemetry": {"facts", "meters"},
    "otlp_traces": {"facts", "optional_packages"},
    "logs": {"errors"},
    "defects": {"errors", "facts", "telemetry"},
    "closings": {"waiting"},
    "kafka_clients": {"waiting"},
    "capture": {
        "transcript",
        "archive",
        "records",
        "evidence",
        "sealing",
        "announcement",
        "facts",
        "meters",
        "telemetry",
        "backoff",
        "closings",
        "waiting",
        "errors",
    },
    "sources/chat_server": {
        "chatserver",
        "transcript",
        "capture",
        "addresses",
        "certificate_faults",
        "facts",
        "meters",
        "telemetry",
        "waiting",
        "errors",
    },
    "overview": {"capture", "errors"},
    "sources/ucs": {
        "announcement",
        "backoff",
        "capture",
        "certificate_faults",
        "driver_threads",
        "facts",
        "meters",
        "telemetry",
        "transcript",
        "waiting",
        "errors",
    },
    "adapters": {"backoff", "certificate_faults", "secret_files", "waiting", "errors"},
    "adapters/kafka": {
        "adapters",
        "announcement",
        "addresses",
        "certificate_faults",
        "closings",
        "kafka_clients",
        "optional_packages",
        "overview",
        "records",
        "secret_files",
        "waiting",
        "errors",
    },
    "adapters/signing": {"driver_threads", "secret_files", "errors"},
    "adapters/sealing": {"adapters/signing", "driver_threads", "sealing", "secret_files", "errors"},
    "adapters/timestamping": {"optional_packages", "secret_files", "errors"},
    "adapters/http": {"announcement", "addresses", "facts", "meters", "overview", "telemetry", "waiting", "errors"},
    "sandbox": {"errors"},
    "simulator": {
        "simulator/harness",
        "simulator/traffic",
        "simulator/protocol",
        "simulator/model",
        "chatserver",
        "archive",
        "transcript",
        "announcement",
        "addresses",
        "backoff",
        "kafka_clients",
        "errors",
    },
    "config": {"addresses", "announcement", "records", "secret_files", "tls", "errors"},
    "doctor/results": {"adapters/kafka", "capture", "reason_codes", "sources/chat_server", "errors"},
    "reason_codes": {"adapters/kafka", "capture", "sources/ucs"},
    "connection_watch": {"adapters/kafka", "facts", "meters", "telemetry"},
    "secrets_watch": {"facts", "secret_files", "telemetry", "tls"},
    "topic_watch": {"adapters/kafka", "facts", "telemetry", "errors"},
    "status_reports": {
        "adapters/kafka",
        "capture",
        "connection_watch",
        "facts",
        "overview",
        "reason_codes",
        "sources/chat_server",
        "status",
        "telemetry",
        "topic_watch",
    },
    "status": {
        "adapters/http",
        "adapters/kafka",
        "capture",
        "announcement",
        "facts",
        "logs",
        "overview",
        "reason_codes",
        "telemetry",
        "topic_watch",
        "errors",
    },
}
"""Package -> the packages it may use besides itself. COMPOSITION puts everything together and may use all."""

ONLY_FOR_TYPES = {("adapters/kafka", "bridge.capture.ports"), ("adapters/kafka", "bridge.capture.worker_ports")}
"""The ports lie with the engine that needs them; an adapter names them in annotations only."""

COMPOSITION = {
    *("app", "evidence_factory", "factories", "source_factory", "start_findings", "stored_composition", "ucs_feeders"),
    *("connection_factory", "output_factory", "output_topics"),
    *("master_key_factory", "redactor_factory", "sealing_factory", "token_factory", "subject_factory"),
    *("registry_factory", "worker_factories"),
    *("shard_settings_factory", "writer_factory"),
    *("cli", "commands", "doctor", "__main__"),
}
PURE = (
    "transcript",
    "chatserver",
    "archive",
    "records",
    "evidence",
    "sealing",
    "reconciliation",
    "overview",
    "announcement",
    "addresses",
    "backoff",
    "certificate_faults",
    "doctor/results",
)
IMPURE_MODULES = {"asyncio", "time", "random", "os", "socket", "threading", "subprocess", "secrets", "logging"}
THIRD_PARTY = {
    "transcript": {"msgspec"},
    "chatserver": {"msgspec"},
    "archive": {"msgspec"},
    "records": {"msgspec", "fastavro", "re2"},
    "evidence": {"cryptography"},
    "sealing": {"cryptography", "msgspec"},
    "capture": {"msgspec"},
    "errors": set[str](),
}
"""What of the outside the inner packages may use."""


def package_of(path: Path) -> str:
    """Return the key of MAY_IMPORT that a file belongs to: the longest one that its path begins with."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return longest(parts)


def longest(parts: tuple[str, ...]) -> str:
    known = MAY_IMPORT.keys()
    names = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((name for name in names if name in known), parts[0])


@cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Every absolute module a file imports, and whether only for type checking."""
    found: list[tuple[str, bool]] = []

    def walk(node: ast.AST, *, typing_only: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend((alias.name, typing_only) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: relative import"
                module = child.module or ""
                whole = [f"bridge.{alias.name}" for alias in child.names] if module == "bridge" else [module]
                found.extend((name, typing_only) for name in whole)
            elif isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
                walk(child, typing_only=True)
            else:
                walk(child, typing_only=typing_only)

    walk(ast.parse(path.read_text("utf-8")), typing_only=False)
    return found


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def top_level(path: Path) -> set[str]:
    return {module.split(".")[0] for module, _ in imports(path)}


def forbidden(path: Path) -> list[str]:
    """Return what a file imports from packages that its own may not use."""
    package = package_of(path)
    if package in COMPOSITION or package in {"__init__", "sources"}:
        return []
    allowed = MAY_IMPORT[package] | {package}
    return [
        f"{package} must not import {module} ({name_of(path)})"
        for module, typing_only in imports(path)
        if module.startswith("bridge.")
        and not (typing_only and (package, module) in ONLY_FOR_TYPES)
        and longest(tuple(module.split(".")[1:])) not in allowed
    ]


def test_a_package_imports_only_from_the_packages_it_may() -> None:
    assert [one for path in FILES for one in forbidden(path)] == []


def test_what_a_package_may_not_import_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAY_IMPORT, "archive", {"transcript"})
    assert any("archive must not import bridge.errors" in one for path in FILES for one in forbidden(path))


def test_the_inner_packages_know_few_third_parties() -> None:
    known = set(sys.stdlib_module_names) | {"bridge"}
    inner = [path for path in FILES if package_of(path) in THIRD_PARTY]
    found = {name_of(path): top_level(path) - known - THIRD_PARTY[package_of(path)] for path in inner}
    assert inner
    assert {name: outside for name, outside in found.items() if outside} == {}


def test_pure_packages_know_no_clock_no_randomness_and_no_io() -> None:
    pure = [path for path in FILES if package_of(path) in PURE]
    assert pure
    assert [name_of(path) for path in pure if top_level(path) & IMPURE_MODULES] == []


def test_only_the_composition_sees_the_settings() -> None:
    others = [path for path in FILES if package_of(path) not in COMPOSITION | {"config"}]
    assert others
    seen = {name_of(path) for path in others for module, _ in imports(path) if module.startswith("bridge.config")}
    assert seen == set()


def test_nothing_is_called_utils() -> None:
    words = {"util", "utils", "helper", "helpers", "misc", "common"}
    assert [name_of(path) for path in FILES if path.stem in words or path.parent.name in words] == []


def test_every_package_has_its_rules() -> None:
    assert {package_of(path) for path in FILES} - COMPOSITION - {"__init__", "sources"} == set(MAY_IMPORT)


def test_no_two_modules_import_each_other() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): {
            module for module, typing_only in imports(path) if not typing_only
        }
        for path in FILES
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above, module])
        if module in done:
            return
        for used in modules[module] & modules.keys():
            visit(used, (*above, module))
        done.add(module)

    for module in modules:
        visit(module, ())
