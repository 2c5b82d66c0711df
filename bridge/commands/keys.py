"""`chatbridge keys`: makes signing keys, and keeps the list of public ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.clock import SystemClock
from bridge.adapters.signing.file_key import key_in, new_key, read_key
from bridge.commands import settings
from bridge.commands.formatting import say
from bridge.commands.interruption import run_in_loop
from bridge.commands.text_files import text_of
from bridge.commands.whole_files import WholeFiles
from bridge.errors import EXIT_OK, EnvironmentFault, UsageError, VerificationFailed
from bridge.evidence.anchors import origin_of
from bridge.evidence.key_list import ListedKey, parsed_key_list
from bridge.evidence.signed_note import PublicKey, note_of, signature_line
from bridge.evidence_factory import token_key_of
from bridge.secret_files import reason_of
from bridge.transcript.times import rfc3339

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from bridge.config import Config

_US: Final = 1_000_000
_FOR_ITS_OWNER: Final = 0o600


def define(parser: argparse.ArgumentParser) -> None:
    """Add arguments and help."""
    parser.add_argument(
        "action",
        choices=("new", "enter", "list"),
        help="new: make a key, and enter it into the list; enter: that of the settings; list: print the public keys",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="new: where to write the private key (PEM, PKCS #8)")
    parser.add_argument("--former", metavar="FILE", type=Path, help="the private key that it is to replace")
    parser.add_argument("--former-label", metavar="LABEL", help="the label of that key in the token of the settings")
    parser.add_argument(
        "--list",
        dest="listed",
        metavar="FILE",
        type=Path,
        help="the list of public keys; default: evidence.key_list_file",
    )
    parser.add_argument("--partition", metavar="N", type=int, help="list: the keys under the name of a partition's log")
    parser.add_argument("--json", action="store_true", help="list: one JSON object")
    settings.define(
        parser,
        """\
  chatbridge keys new --out signing.pem --list keys.txt --config bridge.yaml
  chatbridge keys new --out next.pem --former signing.pem --list keys.txt --config bridge.yaml
  chatbridge keys enter --former signing.pem --list keys.txt --config token.yaml
  chatbridge keys list --config bridge.yaml

The second line begins a rotation: the new key is entered into the list, signed by the former one, so that who trusts
one of them can trust both. Then put the new key in the place of evidence.signing_key_file, and destroy the former one.
enter does so with a key that was made elsewhere, such as in a PKCS #11 token: that of the settings.
list prints each public key as tools for signed notes take it; heads of a log are signed under the name of its origin,
which --partition gives.""",
    )


def run(args: argparse.Namespace) -> int:
    """Make a key, or print the list."""
    config = settings.config_of(args)
    listed = args.listed or (Path(config.evidence.key_list_file) if config.evidence.key_list_file else None)
    if args.action == "list":
        return _list(args, config, listed)
    if listed is None or (args.action == "new" and args.out is None):
        file = "--out FILE, and " if args.action == "new" else ""
        raise UsageError(f"keys {args.action}: expected {file}--list FILE or evidence.key_list_file")
    if args.out is not None and (args.action != "new" or args.out.resolve() == listed.resolve()):
        raise UsageError(f"keys {args.action}: --out goes with new, and names another file than the list")
    return _add(args, config, listed)


@dataclass(slots=True, frozen=True)
class _KeyPair:
    """A public key (32 bytes), and what signs with the private one."""

    raw: bytes
    sign: Callable[[bytes], bytes]


def _add(args: argparse.Namespace, config: Config, listed: Path) -> int:
    former = _former(args, config)
    key, pem = _configured(config) if args.action == "enter" else None, new_key()
    with WholeFiles(listed) as files:
        if key is None:  # first: a key without an entry can be entered
            files.new(args.out, mode=_FOR_ITS_OWNER).write(pem)
            key = _pair_of(key_in(pem))
        stream = files.instead_of(listed)  # before it is read
        text, public = _with_entry(args.action, config, listed, former, key)
        there = listed.read_bytes() if listed.exists() else b""
        stream.write(there + (b"\n" if there and not there.endswith(b"\n") else b"") + text.encode())
    say(f"{args.out or listed}: {public}")
    return EXIT_OK


def _with_entry(
    action: str, config: Config, listed: Path, former: _KeyPair | None, key: _KeyPair
) -> tuple[str, PublicKey]:
    """Return what a list gets for a key, and this key with its name. Raises UsageError, EnvironmentFault."""
    entries = _entries(listed) if listed.exists() else []
    name = factories.key_name_of(config, factories.names_of(config))
    since = rfc3339(SystemClock().now_us() // _US * _US)
    text = ""
    if former is not None and not entries:
        text += _entry(ListedKey(PublicKey(name, former.raw), since), former)
        entries = parsed_key_list(text)
    last = entries[-1].key if entries else None
    if last is not None and (former is None or PublicKey(last.name, former.raw) != last):
        raise UsageError(
            f"keys {action}: the last key of {listed} is {last.key_id}",
            next_step="give it with --former or --former-label: a key has to be vouched for by the one before it",
        )
    public = PublicKey(name, key.raw)
    if public == last:
        raise UsageError(f"keys enter: the last key of {listed} is {last.key_id}: it is entered already")
    return text + _entry(ListedKey(public, since, last), key, *([] if former is None else [former])), public


def _former(args: argparse.Namespace, config: Config) -> _KeyPair | None:
    if args.former_label is None:
        return None if args.former is None else _in_file(args.former)
    if args.former is not None or config.evidence.pkcs11_module is None:
        raise UsageError("--former-label needs evidence.pkcs11_module, and goes without --former")
    return _in_token(config, args.former_label)


def _entry(listed: ListedKey, *signers: _KeyPair) -> str:
    """Return the note of an entry, signed by its key and by the one before it."""
    text = listed.text()
    names = [listed.key] if listed.after is None else [listed.key, listed.after]
    lines = [signature_line(key, by.sign(text.encode())) for key, by in zip(names, signers, strict=True)]
    return note_of(text, lines).decode()


def _list(args: argparse.Namespace, config: Config, listed: Path | None) -> int:
    name = factories.key_name_of(config, factories.names_of(config))
    entries = [] if listed is None else _entries(listed)
    if not entries:
        entries = [ListedKey(PublicKey(name, _configured(config).raw), "")]
    shown = [(_shown(one.key, args.partition), one.since) for one in entries]
    if args.json:
        say(json.dumps({"keys": [{"key": str(key), "since": since or None} for key, since in shown]}))
        return EXIT_OK
    for key, _ in shown:
        say(str(key))
    return EXIT_OK


def _configured(config: Config) -> _KeyPair:
    """Return the key that signs. Raises UsageError without one, SigningFailed, EnvironmentFault."""
    section = config.evidence
    if not section.signs:
        raise UsageError("expected a signing key in the settings: evidence.signing_key_file or evidence.pkcs11_module")
    return _in_token(config) if section.signing_key_file is None else _in_file(Path(section.signing_key_file))


def _in_token(config: Config, label: str | None = None) -> _KeyPair:
    """Return a key in the token, by default the one that signs. Raises SigningFailed."""

    def sign(*messages: bytes) -> tuple[bytes, list[bytes]]:
        key, _ = token_key_of(config, label)  # each logs in anew, and so ends the session of another key
        return run_in_loop(key.sign(messages))

    return _KeyPair(sign()[0], lambda message: sign(message)[1][0])


def _in_file(file: Path) -> _KeyPair:
    return _pair_of(_read(file))


def _pair_of(key: Ed25519PrivateKey) -> _KeyPair:
    return _KeyPair(key.public_key().public_bytes_raw(), key.sign)


def _shown(key: PublicKey, partition: int | None) -> PublicKey:
    return key if partition is None else key.named(origin_of(key.name, str(partition)))


def _read(file: Path) -> Ed25519PrivateKey:
    try:
        return read_key(str(file))
    except (OSError, ValueError) as error:
        raise EnvironmentFault(f"{file}: {reason_of(error)}", next_step="expected an Ed25519 key in PEM") from error


def _entries(file: Path) -> list[ListedKey]:
    try:
        return parsed_key_list(text_of(file))
    except VerificationFailed as error:
        raise EnvironmentFault(f"{file}: {error.message}", next_step="restore the list as it was published") from error
