"""Packages of the optional extras, which are imported only when a setting needs them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from bridge.errors import ConfigError

if TYPE_CHECKING:
    from typing import Any


def optional_package(name: str, *, setting: str, what: str, extra: str) -> Any:
    """Return a module. Raises ConfigError, with the extra to install, when it is missing; `what` is its package."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"{setting}: {what} not installed", next_step=f"pip install 'chatbridge[{extra}]'") from error
