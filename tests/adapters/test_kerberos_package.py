"""GSSAPI without its package: whoever set it hears that, not that Kafka does not answer."""

from __future__ import annotations

import sys

import pytest

from bridge.config import load
from bridge.errors import ConfigError
from bridge.factories import client_of


def test_that_the_package_is_missing_is_a_fault_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "gssapi", raising=False)
    settings = {"kafka.client.security_protocol": "SASL_SSL", "kafka.client.sasl_mechanism": "GSSAPI"}
    with pytest.raises(ConfigError, match=r"kafka\.client\.sasl_mechanism: the package for GSSAPI"):
        client_of(load(None, {}, settings))
