"""Whether two writers wrote a shard, by the log of its checkpoints alone.

The model (`claim_model.py`) calls it two writers when a commit does not go on from all commits before it. `judge`
checks what the model's steps leave behind in the log. Commits are taken in the order of their first records, and an
*owner* is a worker with all of its transactional ids, or whoever uses the shard's own id.

* **One after the other.** The records of a commit lie behind all records of the commits before it, and behind the
  marker of each commit of another owner: a taker fences the others before it goes on, and Kafka initialises an id only
  when its last transaction is marked everywhere. (One's own former id is fenced when its commit is decided; the marker
  may then come later.)
* **By a claim.** While the records of a commit under an id of a worker were written, a claim of that id was in force:
  it was acknowledged before them; others remove it after they have fenced the id, and who wrote it when no commit is on
  its way.
* **By no older claim.** To each commit such a claim can be assigned so that none is older than the one before: who
  takes the shard fences whoever claimed before it, and gives it up if somebody claimed after it.
* **The shard's own id** has no claim while it commits. Whoever opens the shard under it removes the claims of others
  first: so the last claim that was committed under is removed before. Whoever claims initialises that id: so it comes
  back with a higher epoch only.
* **Epochs** of a producer never go down.
* **Numbers**, where the records tell them: each commit is called one more than the one before it. That is the model's
  own question: a commit has the number after the last one that its writer knows.

What does not follow from this: that a writer which was fenced without need was in the right, or that an abort was.

A log that was compacted while it was read has holes. What lies between two of them is judged by itself: claims before
it lie in no known order, so they count as equally old, and one of which only the removal is left counts for each id of
the worker that its key names. A commit with a hole in it is not judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.handover.claimed_log import ClaimedLog, LoggedClaim, LoggedCommit


@dataclass(slots=True)
class JudgedWriters:
    """`commits` is how many there are in the log, `judged` how many of them could be judged.

    `changes`: how often the next commit was made under another claim, or in another epoch of the shard's own id.
    """

    commits: int = 0
    judged: int = 0
    changes: int = 0
    problems: list[str] = field(default_factory=list)


def owner_of(transactional_id: str) -> str:
    """Return the part that all ids of a worker have in common: `GROUP-worker:NAME`, of `GROUP-worker:NAME:2`, too."""
    return ":".join(transactional_id.split(":")[:2])


def judge(log: ClaimedLog, ids: Mapping[int, str], shard_id: str) -> JudgedWriters:
    """Judge one shard. `ids`: Kafka's id of a producer -> the transactional id that it belongs to."""
    found = JudgedWriters(len(log.commits))
    following: _WriterOrder | None = None
    for commit in sorted(log.commits):
        since = log.start_of(commit)
        if since is None:
            continue
        if following is None or following.since != since:
            found.changes += 0 if following is None else following.changes
            following = _WriterOrder(log, shard_id, since)
        found.judged += 1
        name = ids.get(commit.producer)
        problem = "of a producer that has no transactional id" if name is None else following.next(commit, name)
        if problem:
            found.problems.append(
                f"{shard_id}: the commit of {name} at offsets {commit.first} to {commit.last}: {problem}"
            )
    if not found.judged:
        found.problems.append(f"{shard_id}: none of {found.commits} commits in the log can be judged")
    found.changes += 0 if following is None else following.changes
    return found


class _WriterOrder:
    """The commits since a hole, each of which goes on from those before it; a commit with a problem is left out."""

    def __init__(self, log: ClaimedLog, shard_id: str, since: int) -> None:
        self.changes = 0
        self.since = since
        self._log = log
        self._shard_id = shard_id
        self._last = -1
        self._number: int | None = None
        self._marked: dict[str, int] = {}
        self._epochs: dict[int, int] = {}
        self._claim: LoggedClaim | None = None
        self._shard_epoch: tuple[int, int] | None = None
        self._shard_fenced = False
        self._writer: tuple[str, object] | None = None

    def next(self, commit: LoggedCommit, name: str) -> str:
        """Return what is wrong with the next commit; the empty text if it goes on from those before."""
        owner = owner_of(name)
        if commit.first <= self._last:
            return "its records lie between those of another one"
        if late := [one for one, marker in self._marked.items() if one != owner and marker > commit.first]:
            return f"a commit of {late[0]} was not marked when it began"
        if commit.epoch < self._epochs.get(commit.producer, -1):
            return "its epoch was fenced"
        if problem := self._by_shard_id(commit) if name == self._shard_id else self._by_claim(commit, name):
            return problem
        before, self._number = self._number, commit.number
        self._take(commit, name, owner)
        if before is not None and commit.number is not None and commit.number != before + 1:
            return f"it is called number {commit.number} after {before}"
        return ""

    def _take(self, commit: LoggedCommit, name: str, owner: str) -> None:
        self._last = commit.last
        self._marked[owner] = max(commit.marker, self._marked.get(owner, -1))
        self._epochs[commit.producer] = commit.epoch
        claim = self._claim
        writer = name, commit.epoch if name == self._shard_id or claim is None else claim.offset
        self.changes += self._writer not in (None, writer)
        self._writer = writer

    def _by_shard_id(self, commit: LoggedCommit) -> str:
        if self._claim is not None and not (self._claim.removed is not None and self._claim.removed < commit.first):
            return f"the claim {self._claim.key}, which was committed under, is not removed"
        epoch = commit.producer, commit.epoch
        if self._shard_fenced and epoch == self._shard_epoch:
            return "its epoch was fenced by whoever has committed under a claim since"
        self._shard_epoch, self._shard_fenced = epoch, False
        return ""

    def _by_claim(self, commit: LoggedCommit, name: str) -> str:
        mine = [
            one for one in self._log.claims if self._may_be_of(one, name) and one.in_force(commit.first, commit.last)
        ]
        if not mine:
            return "no claim of this id was in force"
        least = -1 if self._claim is None else self._age(self._claim)
        claims = [one for one in mine if self._age(one) >= least]
        if not claims:
            return f"it was made after one under the later claim {'' if self._claim is None else self._claim.key}"
        self._claim = min(claims, key=lambda one: one.offset)
        self._shard_fenced = True
        return ""

    def _age(self, claim: LoggedClaim) -> int:
        return -1 if claim.offset < self.since else claim.offset

    def _may_be_of(self, claim: LoggedClaim, name: str) -> bool:
        if claim.claimant is not None:
            return claim.claimant == name
        return self.since > 0 and claim.key.split("/")[2] == owner_of(name).partition(":")[2]
