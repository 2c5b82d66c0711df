"""Settings of a signing key in a PKCS #11 token: what they need, and what they exclude."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from bridge.config import load
from bridge.errors import ConfigError
from bridge.evidence_factory import evidence_of
from bridge.factories import names_of
from bridge.secrets_watch import SecretsWatch
from bridge.telemetry import Telemetry

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = {
    "evidence.pkcs11_module": "/none/token.so",
    "evidence.pkcs11_token": "audit",
    "evidence.pkcs11_key_label": "evidence",
    "evidence.pkcs11_pin": "471108",
}


def start(flags: dict[str, str]) -> None:
    config = load(None, {}, flags)
    evidence_of(config, names_of(config), SecretsWatch(Telemetry()))


def test_a_token_signs_like_a_file() -> None:
    config = load(None, {}, TOKEN)
    assert config.evidence.signs
    assert "471108" not in repr(config)


def test_a_file_and_a_token_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="expected one of signing_key_file and pkcs11_module"):
        load(None, {}, {**TOKEN, "evidence.signing_key_file": "signing.pem"})


@pytest.mark.parametrize("missing", TOKEN)
def test_a_token_needs_all_of_its_settings(missing: str) -> None:
    with pytest.raises(ConfigError, match=r"evidence\.pkcs11_pin: .*together"):
        load(None, {}, {key: value for key, value in TOKEN.items() if key != missing})


def test_the_pin_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    flags = {key: value for key, value in TOKEN.items() if key != "evidence.pkcs11_pin"}
    flags["evidence.pkcs11_pin_file"] = str(file)
    with pytest.raises(ConfigError, match=r"evidence\.pkcs11_pin_file: cannot be read"):
        load(None, {}, flags)
    file.write_text("471108\n", "utf-8")
    assert load(None, {}, flags).evidence.pin()() == "471108"


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(ConfigError) as told:
        start(TOKEN)
    assert told.value.next_step == "pip install 'chatbridge[pkcs11]'"


def test_a_missing_module_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", ModuleType("pkcs11"))
    with pytest.raises(ConfigError, match=r"/none/token\.so: no such file"):
        start(TOKEN)
