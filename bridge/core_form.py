"""Whether the core runs compiled, as they do in the image, or as Python, as they do in a checkout."""

from __future__ import annotations

from importlib.machinery import ExtensionFileLoader
from typing import Literal

from bridge.transcript import fold


def core_form() -> Literal["compiled", "python"]:
    """Return which of the two is imported; a wheel has either all of what can be compiled, or nothing."""
    return "compiled" if isinstance(fold.__loader__, ExtensionFileLoader) else "python"
