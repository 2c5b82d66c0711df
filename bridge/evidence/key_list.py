"""The list of an installation's public keys, as it is published: one signed note for each key, in their order.

    <name>/keys
    key <public key>
    since <RFC 3339>
    after <public key before it>        (not of the first one)

The note is signed by the key itself and by the one before it: who trusts one key of the list trusts those after it, as
their predecessors vouch for them, and those before it, as their successors do. So a key that is replaced keeps
verifying. The notes follow each other in one text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.errors import VerificationFailed
from bridge.evidence.signed_note import PublicKey, parsed_key, parsed_note

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from bridge.evidence.signed_note import Note

KEYS: Final = "/keys"
"""What the first line of each note ends with, after the name of the keys."""
_MARK: Final = "— "


@dataclass(slots=True, frozen=True)
class ListedKey:
    """A key of the list; `since` in RFC 3339, as who made it says."""

    key: PublicKey
    since: str
    after: PublicKey | None = None

    def text(self) -> str:
        """Return the text that this key and the one before it sign."""
        before = "" if self.after is None else f"after {self.after}\n"
        return f"{self.key.name}{KEYS}\nkey {self.key}\nsince {self.since}\n{before}"


def parsed_key_list(text: str) -> list[ListedKey]:
    """Return the keys of a list, each of which is signed as it has to be. Raises VerificationFailed."""
    found: list[ListedKey] = []
    for note in _notes(text):
        listed = _listed(note.text)
        if listed.after != (found[-1].key if found else None):
            raise VerificationFailed(f"{listed.key.key_id} does not come after the key before it in the list")
        signers = [listed.key] if listed.after is None else [listed.key, listed.after]
        if len(note.signed_by(signers)) != len(signers):
            raise VerificationFailed(f"{listed.key.key_id} is not signed by the key before it in the list")
        found.append(listed)
    return found


def keys_trusted(lists: Iterable[Sequence[ListedKey]], known: Collection[PublicKey]) -> list[PublicKey]:
    """Return the keys to verify with: those that are known, and all of each list that has one of them."""
    found = dict.fromkeys(known)
    for listed in lists:
        if any(one.key in found for one in listed):
            found.update(dict.fromkeys(one.key for one in listed))
    return list(found)


def _notes(text: str) -> list[Note]:
    blocks: list[list[str]] = []
    signed = True
    for line in text.splitlines():
        if signed and not line.startswith(_MARK):
            blocks.append([])
        if not blocks:
            raise VerificationFailed("a list of keys that begins with a signature")
        signed = line.startswith(_MARK)
        blocks[-1].append(line)
    return [parsed_note("\n".join((*block, "")).encode()) for block in blocks]


def _listed(text: str) -> ListedKey:
    lines = [line.split(" ") for line in text.removesuffix("\n").split("\n")]
    try:
        (name,), (first, key), (second, since), *rest = lines
        after = None
        if rest:
            ((third, before),) = rest
            after = parsed_key(before) if third == "after" else None
        listed = ListedKey(parsed_key(key), since, after)
    except ValueError as error:
        raise VerificationFailed("a note that is no entry of a list of keys") from error
    if (first, second, name) != ("key", "since", f"{listed.key.name}{KEYS}") or listed.text() != text:
        raise VerificationFailed("a note that is no entry of a list of keys")
    return listed
