"""The two forms of the core: what a test does that only one of them allows."""

from __future__ import annotations

import pytest

from bridge.core_form import core_form

replaces_a_part = pytest.mark.skipif(
    core_form() == "compiled",
    reason="it replaces what compiled code does not look up, or derives a class from a compiled one",
)
"""Marks tests that replace a part of a compiled module from outside, or derive a class from one of its."""
