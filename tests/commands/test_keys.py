"""`chatbridge keys` and `chatbridge proof --check`: keys are vouched for, proofs are judged without Kafka."""

from __future__ import annotations

import asyncio
import json
import stat
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.signing.file_key import FileKey, new_key
from bridge.cli import main
from bridge.config import load
from bridge.errors import EXIT_CONFIGURATION, EXIT_ENVIRONMENT, EXIT_OK, EXIT_RUNTIME, ConfigError, SigningFailed
from bridge.evidence.anchors import origin_of
from bridge.evidence.certificate_signature import message_of
from bridge.evidence.key_list import parsed_key_list
from bridge.evidence.merkle import MerkleTree, edge_of, leaf_hash
from bridge.evidence.proof_bundle import ProofBundle
from bridge.evidence_factory import evidence_of
from bridge.factories import names_of
from bridge.secrets_watch import SecretsWatch
from bridge.telemetry import Telemetry
from tests.evidence.signing_keys import ORIGIN, KnownKey, listed, signed_head

if TYPE_CHECKING:
    from pathlib import Path

NAME = "chatbridge/main/chat.transcript.sessions.v1"


def new(folder: Path, name: str, *more: str) -> int:
    return main(["keys", "new", "--out", str(folder / name), "--list", str(folder / "keys.txt"), *more])


def keys_in(folder: Path) -> list[str]:
    return [str(one.key) for one in parsed_key_list((folder / "keys.txt").read_text("utf-8"))]


def test_a_new_key_is_private_and_the_first_of_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(tmp_path, "one.pem") == EXIT_OK
    assert stat.S_IMODE((tmp_path / "one.pem").stat().st_mode) == 0o600
    (key,) = keys_in(tmp_path)
    assert key.startswith(f"{NAME}+")
    capsys.readouterr()
    assert main(["keys", "list", "--list", str(tmp_path / "keys.txt")]) == EXIT_OK
    assert capsys.readouterr().out == f"{key}\n"


def test_a_key_that_follows_is_vouched_for_by_the_one_before_it(tmp_path: Path) -> None:
    assert new(tmp_path, "one.pem") == EXIT_OK
    assert new(tmp_path, "two.pem", "--former", str(tmp_path / "one.pem")) == EXIT_OK
    assert new(tmp_path, "three.pem", "--former", str(tmp_path / "two.pem")) == EXIT_OK
    assert len(keys_in(tmp_path)) == 3


def test_the_list_may_begin_with_a_key_that_was_made_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "one.pem").write_bytes(new_key())
    assert new(tmp_path, "two.pem", "--former", str(tmp_path / "one.pem")) == EXIT_OK
    assert len(keys_in(tmp_path)) == 2


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_list_that_was_copied_without_its_last_line_break_takes_another_key(tmp_path: Path, ending: str) -> None:
    assert new(tmp_path, "one.pem") == EXIT_OK
    listed = tmp_path / "keys.txt"
    listed.write_bytes(listed.read_bytes().removesuffix(b"\n") + ending.encode())
    assert new(tmp_path, "two.pem", "--former", str(tmp_path / "one.pem")) == EXIT_OK
    assert len(keys_in(tmp_path)) == 2


def test_a_key_that_nobody_vouches_for_does_not_follow(tmp_path: Path) -> None:
    for name in ("one.pem", "other.pem"):
        folder = tmp_path / name
        folder.mkdir()
        assert new(folder, name) == EXIT_OK
    one, other = tmp_path / "one.pem", tmp_path / "other.pem"
    before = keys_in(one)
    assert new(one, "two.pem") == EXIT_CONFIGURATION
    assert new(one, "two.pem", "--former", str(other / "other.pem")) == EXIT_CONFIGURATION
    assert keys_in(one) == before
    assert not (one / "two.pem").exists()


def test_no_key_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "one.pem").write_bytes(b"kept")
    assert new(tmp_path, "one.pem") == EXIT_ENVIRONMENT
    assert (tmp_path / "one.pem").read_bytes() == b"kept"
    assert not (tmp_path / "keys.txt").exists()


def test_keys_are_shown_under_the_name_of_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(tmp_path, "one.pem") == EXIT_OK
    capsys.readouterr()
    words = ["keys", "list", "--partition", "3", "--json", "--set", f"evidence.signing_key_file={tmp_path / 'one.pem'}"]
    assert main(words) == EXIT_OK
    (shown,) = json.loads(capsys.readouterr().out)["keys"]
    assert shown["key"].startswith(f"{origin_of(NAME, '3')}+")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["keys", "new"], EXIT_CONFIGURATION),
        (["keys", "enter"], EXIT_CONFIGURATION),
        (["keys", "enter", "--list", "/dev/null"], EXIT_CONFIGURATION),
        (["keys", "enter", "--list", "x", "--out", "y"], EXIT_CONFIGURATION),
        (["keys", "new", "--list", "x", "--out", "./x"], EXIT_CONFIGURATION),
        (["keys", "new", "--list", "/dev/null", "--out", "/"], EXIT_ENVIRONMENT),
        (["keys", "enter", "--list", "/dev/null", "--former-label", "x"], EXIT_CONFIGURATION),
        (["keys", "list"], EXIT_CONFIGURATION),
        (["keys", "list", "--list", "/dev/null", "--set", "evidence.signing_key_file=/dev/null"], EXIT_ENVIRONMENT),
        (["proof"], EXIT_CONFIGURATION),
        (["proof", "x", "--check", "y"], EXIT_CONFIGURATION),
        (["proof", "x"], EXIT_CONFIGURATION),
        (["proof", "--check", "y", "--keys", "z", "--records", "w"], EXIT_CONFIGURATION),
        (["proof", "--check", "y", "--keys", "/dev/null"], EXIT_ENVIRONMENT),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_does_not_fit_together_is_refused(words: list[str], code: int) -> None:
    assert main(words) == code


def test_a_key_that_is_none_is_refused_at_once_and_one_that_was_taken_away_does_not_sign(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(new_key())
    key = FileKey(str(file))

    async def sign() -> tuple[bytes, list[bytes]]:
        return await key.sign([b"message"])

    first, _ = asyncio.run(sign())
    file.unlink()
    with pytest.raises(SigningFailed, match="No such file"):
        asyncio.run(sign())
    file.write_bytes(new_key())
    second, _ = asyncio.run(sign())
    assert first != second
    file.write_bytes(b"something else")
    with pytest.raises(ValueError, match="no private key"):
        FileKey(str(file))


def test_a_worker_whose_key_cannot_be_used_does_not_start(tmp_path: Path) -> None:
    config = load(None, {}, {"evidence.signing_key_file": str(tmp_path / "none.pem")})
    with pytest.raises(ConfigError, match="signing_key_file"):
        evidence_of(config, names_of(config), SecretsWatch(Telemetry()))


def proof_file(folder: Path, **changes: object) -> Path:
    key, contents = KnownKey(1), [b"certificate %d" % index for index in range(5)]
    hashes = [leaf_hash(one) for one in contents]
    fields = {
        "record": contents[2],
        "origin": ORIGIN,
        "index": 2,
        "inclusion": MerkleTree(hashes).inclusion(2, 5),
        "checkpoint": signed_head(key, edge_of(hashes)),
        "signed_by": key.public.key_id,
        "signature": key.signature(message_of(contents[2])),
        **changes,
    }
    file = folder / "proof.json"
    file.write_text(ProofBundle(**fields).text(), "utf-8")  # type: ignore[arg-type]
    return file


@pytest.mark.parametrize("keys", [str(KnownKey(1).public), listed([KnownKey(1), KnownKey(2)])], ids=["line", "list"])
def test_a_proof_is_checked_with_nothing_but_a_key(
    tmp_path: Path, keys: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys.txt").write_text(keys, "utf-8")
    words = ["proof", "--keys", str(tmp_path / "keys.txt"), "--check"]
    assert main([*words, str(proof_file(tmp_path))]) == EXIT_OK
    assert ORIGIN in capsys.readouterr().out
    assert main([*words, str(proof_file(tmp_path, index=3))]) == EXIT_RUNTIME
    assert "BROKEN" in capsys.readouterr().out
    assert main([*words, str(proof_file(tmp_path, signature=bytes(64)))]) == EXIT_RUNTIME


def test_a_proof_is_not_written_over_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys, proof = tmp_path / "keys.txt", proof_file(tmp_path)
    keys.write_text(str(KnownKey(1).public), "utf-8")
    words = ["proof", "x", "--keys", str(keys), "--bootstrap-servers", "127.0.0.1:1", "--out"]
    for other, content in ((keys, None), (tmp_path / "other", b"\xff")):
        if content is not None:
            other.write_bytes(content)
        assert main([*words, str(other)]) == EXIT_CONFIGURATION
        assert "exists and is no proof" in capsys.readouterr().err
    for allowed in (proof, tmp_path / "new.json"):
        assert main([*words, str(allowed)]) == EXIT_ENVIRONMENT  # nothing answers
        assert "does not answer" in capsys.readouterr().err


def test_what_a_proof_says_of_itself_is_shown_without_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys.txt").write_text(str(KnownKey(1).public), "utf-8")
    file = proof_file(tmp_path)
    plain = json.loads(file.read_text("utf-8"))
    plain["signature"]["keyId"] = "\x1b[2Jok\ud800"
    file.write_text(json.dumps(plain), "utf-8")
    assert main(["proof", "--keys", str(tmp_path / "keys.txt"), "--check", str(file)]) == EXIT_RUNTIME
    assert "\\x1b[2Jok\\ud800" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b"\xa4\xff"])
@pytest.mark.parametrize(
    "words",
    [
        ["proof", "--keys", "{0}", "--check", "keys.txt"],
        ["proof", "--keys", "keys.txt", "--check", "{0}"],
        ["proof", "x", "--keys", "keys.txt", "--earlier", "{0}"],
        ["verify", "--keys", "{0}"],
        ["keys", "list", "--list", "{0}"],
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    words: list[str],
    content: bytes | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.txt").write_text(str(KnownKey(1, NAME).public), "utf-8")
    if content is not None:
        (tmp_path / "file").write_bytes(content)
    assert main([word.format("file") for word in words]) == EXIT_ENVIRONMENT
    assert capsys.readouterr().err.startswith("chatbridge: file ")
