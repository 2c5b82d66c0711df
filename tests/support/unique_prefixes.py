"""Topic prefixes that no other test has."""

from __future__ import annotations

import uuid


def unique_prefix() -> str:
    """Return a topic prefix that begins with a letter: YAML takes digits and a dot for a number."""
    return f"t{uuid.uuid4().hex[:8]}."
