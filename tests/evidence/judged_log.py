"""The log of a running installation before the judge: every head, its growth, and the proof of every certificate."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.cli import main
from bridge.commands.proof import prove_partition, read_keys
from bridge.config import load
from bridge.evidence.anchors import STATEMENT, parsed_statement, parsed_tree_head
from bridge.evidence.key_list import KEYS
from bridge.evidence.merkle import MerkleTree
from bridge.evidence.signed_note import parsed_note
from tests.evidence.judgement import ACCEPTED, JudgeQuestion, judged
from tests.support.oracle import read_all

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bridge.commands.proof import ProvedCertificates


@dataclass(slots=True)
class JudgedLog:
    """What was judged. In each partition, `signers` keys or more signed heads. `problems`: what was not accepted."""

    heads: int = 0
    growths: int = 0
    inclusions: int = 0
    statements: int = 0
    signers: int = 0
    certificates: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class SignedLog:
    """The log of the topics with a prefix, and the folder of its keys: `signing.pem` signs, `keys.txt` lists all.

    `client`: settings with which `chatbridge proof` connects, if not like the oracle.
    """

    bootstrap_servers: str
    prefix: str
    folder: Path
    client: Mapping[str, object] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, object]:
        """The settings of its workers."""
        return {
            "evidence.signing_key_file": self.folder / "signing.pem",
            "evidence.key_list_file": self._list,
        }

    def new_key(self) -> None:
        """Make the first key."""
        self._keys_new("signing.pem")

    def rotate(self) -> None:
        """Let another key sign from now on, which the one before it vouches for."""
        current = self.folder / "signing.pem"
        self._keys_new("next.pem", "--former", str(current))
        (self.folder / "next.pem").replace(current)

    def unsaid(self) -> list[str]:
        """Return the partitions whose last head does not cover all leaves yet."""
        sizes: dict[str, int] = {}
        for note in self._notes():
            if _first_line(note).endswith(STATEMENT):
                head = parsed_statement(parsed_note(note).text).head
                sizes[head.origin.rpartition("/")[2]] = head.size
        counts = {partition: len(leaves) for partition, leaves in self._leaves().items()}
        return [partition for partition, count in counts.items() if sizes.get(partition, 0) < count]

    def judge(self, partitions: int) -> JudgedLog:
        """Let the judge see everything; `chatbridge proof` makes the proofs, with the first key of the list alone."""
        found = JudgedLog()
        questions = self._of_heads(found)
        results = asyncio.run(self._proved(partitions))
        found.certificates = sum(each.certificates for each in results)
        found.problems += [str(finding) for each in results for finding in each.findings]
        found.problems += [
            f"{len(each.bundles)} of {each.certificates} certificates of partition {number} are proved"
            for number, each in enumerate(results)
            if len(each.bundles) != each.certificates
        ]
        questions += self._of_inclusions(results)
        asked = Counter(one.proves for one in questions)
        found.heads, found.growths, found.inclusions = asked["head"], asked["consistency"], asked["inclusion"]
        found.statements = asked["note"]
        answers = zip(questions, judged(questions), strict=True)
        found.problems += [f"{one.proves} of {one.origin}: {answer}" for one, answer in answers if answer != ACCEPTED]
        return found

    def _of_heads(self, found: JudgedLog) -> list[JudgeQuestion]:
        heads: dict[str, list[bytes]] = {}
        questions: list[JudgeQuestion] = []
        listed = read_keys(self._list)
        for note in self._notes():
            first = _first_line(note)
            if first.endswith(STATEMENT):
                origin = parsed_statement(parsed_note(note).text).head.origin
                questions.append(JudgeQuestion("note", [str(one.named(origin)) for one in listed], note, origin))
            elif not first.endswith(KEYS):
                heads.setdefault(first, []).append(note)
        leaves = self._leaves()
        for origin, notes in heads.items():
            tree = MerkleTree(leaves[origin.rpartition("/")[2]])
            public = [str(one.named(origin)) for one in listed]
            questions += [JudgeQuestion("head", public, note, origin) for note in notes]
            for earlier, later in pairwise(notes):
                sizes = [parsed_tree_head(parsed_note(note).text).size for note in (earlier, later)]
                growth = tree.consistency(*sizes)
                questions.append(
                    JudgeQuestion("consistency", public, later, origin, earlier=earlier, consistency=growth)
                )
        keys = {
            (one.name, one.hash) for notes in heads.values() for note in notes for one in parsed_note(note).signatures
        }
        found.signers = min(Counter(name for name, _ in keys).values(), default=0)
        return questions

    def _of_inclusions(self, results: list[ProvedCertificates]) -> list[JudgeQuestion]:
        public = read_keys(self._list)
        return [
            JudgeQuestion(
                "inclusion",
                [str(key.named(bundle.origin)) for key in public],
                bundle.checkpoint,
                bundle.origin,
                leaf=bundle.record,
                index=bundle.index,
                inclusion=bundle.inclusion,
            )
            for each in results
            for bundle in each.bundles
        ]

    async def _proved(self, partitions: int) -> list[ProvedCertificates]:
        flags = {"kafka.bootstrap_servers": self.bootstrap_servers, "kafka.topic_prefix": self.prefix}
        flags |= {name: str(value) for name, value in self.client.items()}
        config = load(None, {}, {**flags, "evidence.key_list_file": str(self._list)})
        first = read_keys(self._list)[:1]  # the others it has to find
        return [await prove_partition(config, one, first) for one in range(partitions)]

    @property
    def _list(self) -> Path:
        return self.folder / "keys.txt"

    def _keys_new(self, name: str, *more: str) -> None:
        flags = ["--topic-prefix", self.prefix, "--bootstrap-servers", self.bootstrap_servers]
        assert main(["keys", "new", "--out", str(self.folder / name), "--list", str(self._list), *more, *flags]) == 0

    def _notes(self) -> list[bytes]:
        return [value for _, _, value in read_all(self.bootstrap_servers, TopicNames(self.prefix).anchors)]

    def _leaves(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for partition, _, value in read_all(self.bootstrap_servers, TopicNames(self.prefix).leaves):
            found.setdefault(str(partition), []).append(value)
        return found


def _first_line(note: bytes) -> str:
    return note.decode().split("\n", 1)[0]
