"""The two forms of the core: what a test does that only one of them allows."""

from __future__ import annotations

import pytest

from bridge.core_form import core_form

replaces_a_part = pytest.mark.skipif(
    core_form() == "compiled", reason="it replaces a function or a constant, which compiled code does not look up"
)
"""Marks tests that replace a part of a compiled module from outside."""
