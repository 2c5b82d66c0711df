"""Values that hostile servers, customers and announcers may send."""

from __future__ import annotations

STRANGER = "0000ELSEWHERE001"
LAST_ID = 2**63 - 1
TEN_MEGABYTES = "x" * (10 << 20)


def item(key: str, value: object, word: str = "string") -> dict[str, object]:
    return {"key": key, "type": word, "value": value}


def nested(depth: int) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    for _ in range(depth):
        items = [item("k", items, "kvlist")]
    return items
