"""A key in a PKCS #11 token: it signs like one in a file, and whatever is wrong with the token signs nothing.

The token is SoftHSM's, of the Debian package softhsm2, in a folder of the test.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bridge.adapters.signing.token_key import TokenKey
from bridge.adapters.signing.token_login import TokenPlace
from bridge.cli import main
from bridge.config import load
from bridge.errors import EXIT_CONFIGURATION, EXIT_ENVIRONMENT, EXIT_OK, SigningFailed
from bridge.evidence.key_list import parsed_key_list
from bridge.evidence.signed_note import PublicKey
from bridge.evidence_factory import evidence_of, token_key_of
from bridge.factories import names_of
from bridge.secret_files import secret_in
from bridge.secrets_watch import SecretsWatch
from bridge.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

PIN, LABEL = "4321", "evidence"
ED25519 = bytes.fromhex("06032b6570")  # its object identifier, 1.3.101.112, in DER
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")


def softhsm_module() -> str:
    found = next((path for path in MODULES if Path(path).is_file()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.fail("SoftHSM is not installed: apt-get install softhsm2", pytrace=False)
    return found


@dataclass
class SoftToken:
    folder: Path
    place: TokenPlace
    package: Any

    @property
    def objects(self) -> Path:
        return self.folder / "tokens"

    @property
    def pin_file(self) -> Path:
        return self.folder / "pin"

    def write_pin(self, pin: str) -> None:
        """Replace the file: its inode changes, however coarse the times of the file system are."""
        new = self.folder / "new-pin"
        new.write_text(f"{pin}\n", "utf-8")
        new.replace(self.pin_file)

    def key(self, **place: str) -> TokenKey:
        return TokenKey(
            self.package,
            TokenPlace(**{"module": self.place.module, "token": "audit", "key_label": LABEL, **place}),
            secret_in(str(self.pin_file)),
        )

    def session(self, *, rw: bool = True) -> Any:
        library = self.package.lib(self.place.module)
        library.reinitialize()
        return library.get_token(token_label="audit").open(user_pin=PIN, rw=rw)

    def new_pair(self, label: str = LABEL) -> None:
        """Make a key pair in the token, in the place of one that is there."""
        pkcs11 = self.package
        session = self.session()
        for one in session.get_objects({pkcs11.Attribute.LABEL: label}):
            one.destroy()
        kind = pkcs11.KeyType.EC_EDWARDS
        curve = session.create_domain_parameters(kind, {pkcs11.Attribute.EC_PARAMS: ED25519}, local=True)
        curve.generate_keypair(mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label=label)
        session.close()

    def logins_fail(self) -> bool:
        """Return whether the token has counted a refused PIN."""
        library = self.package.lib(self.place.module)
        token = library.get_token(token_label="audit")
        return bool(token.flags & self.package.TokenFlag.USER_PIN_COUNT_LOW)

    def settings(self) -> dict[str, str]:
        return {
            "evidence.pkcs11_module": self.place.module,
            "evidence.pkcs11_token": "audit",
            "evidence.pkcs11_key_label": LABEL,
            "evidence.pkcs11_pin_file": str(self.pin_file),
        }


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The module reads the file when it is initialised: `folder` is a link to the tokens of one test."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/current\nlog.level = ERROR\n", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        yield folder


@pytest.fixture
def token(configuration: Path, tmp_path: Path) -> SoftToken:
    module = softhsm_module()
    made = SoftToken(tmp_path, TokenPlace(module, "audit", LABEL), importlib.import_module("pkcs11"))
    made.objects.mkdir()
    link = configuration / "current"
    link.unlink(missing_ok=True)
    link.symlink_to(made.objects)
    words = ["softhsm2-util", "--init-token", "--free", "--label", "audit", "--so-pin", "87654321", "--pin", PIN]
    subprocess.run(words, check=True, capture_output=True, env=dict(os.environ))
    made.new_pair()
    made.write_pin(PIN)
    return made


def sign(key: TokenKey, *messages: bytes) -> tuple[bytes, list[bytes]]:
    return asyncio.run(key.sign(messages))


def verify(raw: bytes, message: bytes, signature: bytes) -> None:
    Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)


def test_the_signatures_are_those_of_ed25519_and_each_message_has_its_own(token: SoftToken) -> None:
    key, messages = token.key(), [b"", b"one", b"x" * 100_000]
    raw, signatures = sign(key, *messages)
    assert len(raw) == 32
    for message, signature in zip(messages, signatures, strict=True):
        verify(raw, message, signature)
    again, _ = sign(key, b"more")
    assert again == raw


def test_calls_at_the_same_time_take_their_turn(token: SoftToken) -> None:
    key = token.key()

    async def all_of_them() -> list[tuple[bytes, list[bytes]]]:
        return await asyncio.gather(*(key.sign([b"%d" % number]) for number in range(20)))

    for number, (raw, (signature,)) in enumerate(asyncio.run(all_of_them())):
        verify(raw, b"%d" % number, signature)


def test_another_key_under_the_label_signs_from_then_on(token: SoftToken) -> None:
    key = token.key()
    first, _ = sign(key, b"message")
    token.new_pair()  # it initialises the module again: the session of the key is lost, as when a token is plugged out
    with pytest.raises(SigningFailed):
        sign(key, b"message")
    second, (signature,) = sign(key, b"message")
    assert second != first
    verify(second, b"message", signature)


def test_a_refused_pin_is_given_once_until_its_file_changes(token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    token.write_pin("0000")
    key = token.key()
    with pytest.raises(SigningFailed, match="PinIncorrect"):
        sign(key, b"message")
    assert token.logins_fail()
    with monkeypatch.context() as patch:
        errors = SimpleNamespace(PKCS11Error=token.package.PKCS11Error)
        patch.setattr(key, "_package", errors)  # whatever else it is asked for fails
        for _ in range(5):
            with pytest.raises(SigningFailed, match="not given to it again"):
                sign(key, b"message")
    token.write_pin("1111")
    with pytest.raises(SigningFailed, match=r"used: PinIncorrect"):
        sign(key, b"message")
    token.write_pin(PIN)
    raw, (signature,) = sign(key, b"message")
    verify(raw, b"message", signature)


def test_a_key_that_got_another_label_does_not_sign(token: SoftToken) -> None:
    pkcs11, key = token.package, token.key()
    first, _ = sign(key, b"message")
    library = pkcs11.lib(token.place.module)
    session = library.get_token(token_label="audit").open(rw=True)  # the process is logged in already
    for one in session.get_objects({pkcs11.Attribute.LABEL: LABEL}):
        one[pkcs11.Attribute.LABEL] = "former"
    with pytest.raises(SigningFailed, match="another label"):
        sign(key, b"message")
    with pytest.raises(SigningFailed, match="NoSuchKey"):
        sign(key, b"message")
    token.new_pair()
    second, (signature,) = sign(key, b"message")
    assert second != first
    verify(second, b"message", signature)


def test_without_the_file_of_the_pin_nothing_is_signed(token: SoftToken) -> None:
    key = token.key()
    token.pin_file.unlink()
    with pytest.raises(SigningFailed, match="PIN cannot be used: No such file"):
        sign(key, b"message")
    token.write_pin(PIN)
    assert sign(key, b"message")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"token": "other"}, "NoSuchToken"), ({"key_label": "other"}, "NoSuchKey"), ({"module": "/none"}, "/none")],
)
def test_what_is_not_there_is_named(token: SoftToken, wrong: dict[str, str], told: str) -> None:
    with pytest.raises(SigningFailed, match=told):
        sign(token.key(**wrong), b"message")


def test_a_token_that_is_taken_away_does_not_sign_and_one_that_is_back_does(token: SoftToken) -> None:
    key = token.key()
    first, _ = sign(key, b"message")
    elsewhere = token.folder / "elsewhere"
    token.objects.rename(elsewhere)
    for _ in range(3):
        with pytest.raises(SigningFailed):
            sign(key, b"message")
    elsewhere.rename(token.objects)
    raw, (signature,) = sign(key, b"message")
    assert raw == first
    verify(raw, b"message", signature)


def test_a_key_that_is_deleted_while_running_does_not_sign(token: SoftToken) -> None:
    key = token.key()
    sign(key, b"message")
    for file in token.objects.glob("*/*.object"):
        if file.name != "token.object":
            file.unlink()
    with pytest.raises(SigningFailed, match="ObjectHandleInvalid"):
        sign(key, b"message")
    with pytest.raises(SigningFailed, match="NoSuchKey"):
        sign(key, b"message")


def test_a_public_key_of_another_pair_is_found_out(token: SoftToken) -> None:
    pkcs11, session = token.package, token.session()
    [public] = session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY})
    point = bytes(public[pkcs11.Attribute.EC_POINT])
    public.destroy()
    other = Ed25519PublicKey.from_public_bytes(
        bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    )
    session.create_object(
        {
            pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY,
            pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.EC_EDWARDS,
            pkcs11.Attribute.EC_PARAMS: ED25519,
            pkcs11.Attribute.EC_POINT: point[:2] + other.public_bytes_raw(),
            pkcs11.Attribute.LABEL: LABEL,
            pkcs11.Attribute.TOKEN: True,
        }
    )
    session.close()
    with pytest.raises(SigningFailed, match="does not go with the private one"):
        sign(token.key(), b"message")


def test_a_worker_starts_with_the_settings_of_a_token_and_the_command_shows_its_public_key(
    token: SoftToken, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load(None, {}, token.settings())
    secrets = SecretsWatch(Telemetry())
    assert evidence_of(config, names_of(config), secrets).settings is not None
    assert "pkcs11_pin" in {one.kind for one in secrets.secrets}
    raw, _ = sign(token_key_of(config)[0])
    words = ["keys", "list", *(word for key, value in token.settings().items() for word in ("--set", f"{key}={value}"))]
    assert main(words) == EXIT_OK
    assert capsys.readouterr().out == f"{PublicKey('chatbridge/main/chat.transcript.sessions.v1', raw)}\n"
    token.write_pin("0000")
    assert main(words) == EXIT_ENVIRONMENT


def test_keys_follow_each_other_in_the_list_from_a_file_to_the_token_and_in_it(
    token: SoftToken, tmp_path: Path
) -> None:
    words = [word for key, value in token.settings().items() for word in ("--set", f"{key}={value}")]
    listed, file = tmp_path / "keys.txt", tmp_path / "one.pem"
    assert main(["keys", "new", "--out", str(file), "--list", str(listed)]) == EXIT_OK
    enter = ["keys", "enter", "--list", str(listed), *words]
    assert main(enter) == EXIT_CONFIGURATION
    assert main([*enter, "--former", str(file)]) == EXIT_OK
    assert main([*enter, "--former-label", LABEL]) == EXIT_CONFIGURATION  # it is there
    token.new_pair("next")
    assert main([*enter, "--set", "evidence.pkcs11_key_label=next", "--former-label", LABEL]) == EXIT_OK
    first, second, third = [one.key.raw for one in parsed_key_list(listed.read_text("utf-8"))]
    assert (second, third) == (sign(token.key())[0], sign(token.key(key_label="next"))[0])
    assert len({first, second, third}) == 3


def test_a_worker_starts_without_the_token_and_waits_for_it(token: SoftToken) -> None:
    shutil.rmtree(token.objects)
    config = load(None, {}, token.settings())
    assert evidence_of(config, names_of(config), SecretsWatch(Telemetry())).settings is not None
