"""Checks the log of one partition: its leaves, its heads, and who signed them; finds the proof of a certificate.

Each head has to be signed by a known key, and has to be that of the leaves up to its size: so each has grown from all
before it. Leaves have a head, and each head has its statement (`anchor_order.py`). Pure; everything is fed in the order
of offsets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.errors import VerificationFailed
from bridge.evidence.anchor_order import AnchorOrder
from bridge.evidence.anchors import STATEMENT, Statement, TreeHead, origin_of, parsed_statement, parsed_tree_head
from bridge.evidence.key_list import KEYS, keys_trusted, parsed_key_list
from bridge.evidence.log_stamps import STAMP, LogStamps
from bridge.evidence.merkle import HASH_BYTES, MerkleTree, leaf_hash
from bridge.evidence.signed_note import parsed_note
from bridge.records.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.evidence.key_list import ListedKey
    from bridge.evidence.log_stamps import StampCheck, StampedHead
    from bridge.evidence.signed_note import Note, PublicKey

LOG: Final = "log"
"""The promise that the log of a partition only grows, and that known keys have signed its heads."""
LEAF_OUTPUT: Final = "output"
"""The header of a leaf that names the output of its certificate; without it, that is the default output.

It says where to look for the certificate. Whoever changes it makes the certificate missing in another output.
"""


@dataclass(slots=True)
class _Tree:
    leaves: dict[int, bytes] = field(default_factory=dict)
    heads: list[tuple[int, TreeHead, bytes]] = field(default_factory=list)  #: offset, head, note
    order: AnchorOrder = field(default_factory=AnchorOrder)
    whole: MerkleTree | None = None


@dataclass(slots=True, frozen=True)
class LoggedCertificate:
    """Where a certificate lies in a log; `inclusion` proves it in the tree of `head`, whose note is `checkpoint`.

    `stamped` is the head with the earliest time stamp that covers it, None without one, with the proof for that one.
    """

    origin: str
    index: int
    head: TreeHead
    checkpoint: bytes
    inclusion: list[bytes]
    stamped: StampedHead | None = None
    stamped_inclusion: list[bytes] = field(default_factory=list)


class LogAudit:
    """The log of one partition. `name` is that of the keys, with which origins begin; `keys` those that are known.

    `statements` are those of known keys, in order; `stamps` the time stamps of heads, checked if `check` is given.
    """

    def __init__(self, partition: int, name: str, keys: Sequence[PublicKey], check: StampCheck | None = None) -> None:
        """Begin with nothing read."""
        self.stamps = LogStamps(check)
        self.statements: list[Statement] = []
        self._partition = partition
        self._name = name
        self._known = list(keys)
        self._keys = list(keys)
        self._lists: list[Sequence[ListedKey]] = []
        self._trees: dict[str, _Tree] = {}
        self._findings: list[Finding] = []
        self._unknown: list[tuple[int, Note, bytes]] = []

    @property
    def keys(self) -> list[PublicKey]:
        """The keys to verify with: those that are known, and those that lists of keys add to them."""
        return self._keys

    @property
    def heads(self) -> int:
        """How many heads known keys have signed."""
        return sum(len(tree.heads) for tree in self._trees.values())

    @property
    def leaves(self) -> int:
        """How many leaves there are."""
        return sum(len(tree.leaves) for tree in self._trees.values())

    @property
    def uncovered(self) -> int:
        """How many leaves came after the last head of their tree."""
        covered = ((tree, max((head.size for _, head, _ in tree.heads), default=0)) for tree in self._trees.values())
        return sum(max(0, len(tree.leaves) - size) for tree, size in covered)

    def feed_leaf(self, key: bytes | None, value: bytes | None, offset: int) -> None:
        """Take a record of the leaves topic."""
        name, _, index = (key or b"").decode("utf-8", "replace").rpartition("/")
        if not (self._is_ours(name) and index.isascii() and index.isdigit() and len(value or b"") == HASH_BYTES):
            self._find(f"leaf at offset {offset}: no leaf of partition {self._partition}")
            return
        leaves = self._trees.setdefault(origin_of(self._name, name), _Tree()).leaves
        if leaves.setdefault(int(index), value or b"") != value:
            self._find(f"leaf at offset {offset}: leaf {name}/{index} was another one before")

    def feed_anchor(self, value: bytes | None, offset: int, kind: bytes | None = None) -> None:
        """Take a record of the anchors topic; `kind` is its header of that name."""
        self.stamps.begin_at(offset)
        if kind == STAMP:
            self.stamps.feed(value or b"", offset)
            return
        try:
            text = (value or b"").decode("utf-8", "replace")
            if text.split("\n", 1)[0].endswith(KEYS):
                self._lists.append(parsed_key_list(text))
                self._keys = keys_trusted(self._lists, self._known)
            else:
                self._note(offset, parsed_note(value or b""), value or b"", last=False)
        except VerificationFailed as error:
            self._find(f"{_anchor(offset)}: {error.message}")

    def _note(self, offset: int, note: Note, value: bytes, *, last: bool) -> None:
        """Take a note, if a key that is known now has signed it; only the `last` time one that none has is wrong."""
        first = note.text.split("\n", 1)[0]
        origin = first.removesuffix(STATEMENT)
        if not self._is_ours(origin.removeprefix(origin_of(self._name, ""))):
            raise VerificationFailed(f"of another log: {origin}")
        named = [key.named(origin) for key in self._keys]
        if not last and not any(one.by(key) for key in named for one in note.signatures):
            self._unknown.append((offset, note, value))
            return
        note.signed_by(named)
        tree = self._trees.setdefault(origin, _Tree())
        if first != origin:
            self.statements.append(parsed_statement(note.text))
            tree.order.feed(offset, self.statements[-1])
            return
        self.stamps.feed_head(value)
        tree.heads.append((offset, parsed_tree_head(note.text), value))
        tree.order.feed(offset, tree.heads[-1][1])

    def _is_ours(self, tree: str) -> bool:
        return tree.split("~", 1)[0] == str(self._partition)

    def finding(self, message: str) -> Finding:
        """Return a finding about this log."""
        return Finding("", LOG, f"partition {self._partition}: {message}")

    def _find(self, message: str) -> None:
        self._findings.append(self.finding(message))

    # --- once everything is read ---------------------------------------------------------------------------------

    def findings(self, *, anchors: bool = True, leaves: bool = True) -> list[Finding]:
        """Return what is wrong, once everything is fed. Which of both topics was read decides what can be missed."""
        waiting, self._unknown = self._unknown, []
        for offset, note, value in waiting:  # a list of keys may have come after it
            try:
                self._note(offset, note, value, last=True)
            except VerificationFailed as error:
                self._find(f"{_anchor(offset)}: {error.message}")
        self.statements.sort(key=lambda one: (one.at, one.part))
        for origin, tree in self._trees.items():
            if anchors and tree.leaves and not tree.heads:
                self._find(f"{origin}: {len(tree.leaves)} leaves, and no signed head of them is on the anchors topic")
            self._check(origin, tree, leaves=leaves)
            for problem in tree.order.problems(whole=self.stamps.whole):
                self._find(problem)
        for problem in self.stamps.problems():
            self._find(problem)
        found, self._findings = self._findings, []
        return found

    def _check(self, origin: str, tree: _Tree, *, leaves: bool) -> None:
        whole = self._whole(tree)
        if whole.size < len(tree.leaves):
            self._find(f"{origin}: leaf {whole.size} is missing, and later ones are there")
        highest = 0
        tree.heads.sort(key=lambda one: one[0])
        for offset, head, _ in tree.heads:
            if head.size < highest:
                self._find(f"{_anchor(offset)}: a head of {head.size} leaves after one of {highest}")
            highest = max(highest, head.size)
            if not leaves:
                continue
            if head.size > whole.size:
                self._find(f"{_anchor(offset)}: a head of {head.size} leaves, and only {whole.size} are there")
            elif whole.root(head.size) != head.root:
                self._find(f"{_anchor(offset)}: the root is not that of the first {head.size} leaves")

    def _whole(self, tree: _Tree) -> MerkleTree:
        if tree.whole is None:
            size = next((index for index in range(len(tree.leaves)) if index not in tree.leaves), len(tree.leaves))
            tree.whole = MerkleTree([tree.leaves[index] for index in range(size)])
        return tree.whole

    def proof(self, statement: bytes) -> LoggedCertificate:
        """Return where a certificate lies, given its record up to the signature, and the proof from the last head.

        Raises VerificationFailed when it is in no tree, or no head covers it.
        """
        leaf = leaf_hash(statement)
        for origin, tree in self._trees.items():
            index = next((index for index, one in tree.leaves.items() if one == leaf), None)
            if index is None:
                continue
            whole = self._whole(tree)
            covering = [one for one in tree.heads if index < one[1].size <= whole.size]
            if not covering:
                raise VerificationFailed(f"leaf {index} of {origin} is not covered by a head yet")
            _, head, checkpoint = covering[-1]
            stamped, proof = self._stamped(index, covering, whole)
            return LoggedCertificate(origin, index, head, checkpoint, whole.inclusion(index, head.size), stamped, proof)
        raise VerificationFailed("the certificate is in no tree")

    def _stamped(
        self, index: int, covering: Sequence[tuple[int, TreeHead, bytes]], whole: MerkleTree
    ) -> tuple[StampedHead | None, list[bytes]]:
        proved = [(self.stamps.proved[note], head) for _, head, note in covering if note in self.stamps.proved]
        if not proved:
            return None, []
        stamped, head = min(proved, key=lambda one: one[0].at)
        return stamped, whole.inclusion(index, head.size)

    def consistency(self, earlier: TreeHead, later: TreeHead) -> list[bytes]:
        """Return the proof that a tree has grown from an earlier head. Raises VerificationFailed when it has not."""
        tree = self._trees.get(later.origin)
        if tree is None or earlier.origin != later.origin:
            raise VerificationFailed(f"there is no log with the origin {earlier.origin}")
        try:
            return self._whole(tree).consistency(earlier.size, later.size)
        except ValueError as error:
            raise VerificationFailed(f"{earlier.origin}: {error}") from error


def _anchor(offset: int) -> str:
    return f"anchor at offset {offset}"
