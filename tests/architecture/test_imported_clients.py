"""Clients of Kafka come from `bridge.kafka_clients`, which has them create no topics; elsewhere they are only types."""

from __future__ import annotations

import ast
from pathlib import Path

from bridge import kafka_clients

ROOT = Path(__file__).parents[2]
ALLOWED = "bridge/kafka_clients.py"


def test_no_other_module_imports_a_client_from_aiokafka_but_for_types() -> None:
    found = set()
    for path in sorted((ROOT / "bridge").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        types = {
            id(node)
            for block in ast.walk(tree)
            if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
            for node in ast.walk(block)
        }
        for node in ast.walk(tree):
            if id(node) in types:
                continue
            if isinstance(node, ast.Attribute) and node.attr in kafka_clients.__all__:
                found.add(f"{path.relative_to(ROOT)}: .{node.attr}")
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aiokafka":
                names = {one.name for one in node.names} & {*kafka_clients.__all__, "client", "*"}
                found |= {f"{path.relative_to(ROOT)}: {name}" for name in names}
    assert found == {f"{ALLOWED}: {name}" for name in kafka_clients.__all__}
