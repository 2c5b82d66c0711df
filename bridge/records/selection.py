"""Which chats and which records an output takes. Pure: what is known of a chat or a record in, yes or no out.

A condition holds if one of its patterns matches. Patterns are those of shells (`*`, `?`, `[...]`), and tell upper from
lower case. What is not known matches no pattern, not even `*`: a record whose tenant is not known is nobody's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping  # noqa: TC003 - the compiled form looks it up
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.transcript.entries import Entry


@dataclass(slots=True, frozen=True)
class Where:
    """The part that an output takes: every condition has to hold; one without patterns always does.

    `tenant` and `attribute` are about the chat, the others about the record. `attribute` maps a pattern for names of
    the chat's user data, announced or of its events, to one for their values: each has to match some pair. The bridge's
    own records (GAP, RESUMED) have no visibility and no party; they tell what is missing, and are taken whatever the
    conditions on records are.
    """

    tenant: tuple[str, ...] = ()
    attribute: Mapping[str, str] = field(default_factory=dict)
    kind: tuple[str, ...] = ()
    visibility: tuple[str, ...] = ()
    user_type: tuple[str, ...] = ()

    @property
    def of_records(self) -> bool:
        """Whether there are conditions on records."""
        return bool(self.kind or self.visibility or self.user_type)

    def takes_chat(self, tenant: str | None, attributes: Mapping[str, str] | None, *, before: bool) -> bool:
        """Tell whether records of a chat are taken.

        `attributes` None: the chat's user data are forgotten, as it ended a while ago; then it is as `before`.
        """
        if self.tenant and not _matches(self.tenant, tenant):
            return False
        if not self.attribute:
            return True
        if attributes is None:
            return before
        return all(
            any(fnmatchcase(name, path) and fnmatchcase(value, wanted) for name, value in attributes.items())
            for path, wanted in self.attribute.items()
        )

    def takes(self, entry: Entry) -> bool:
        """Tell whether a record of a chat that is taken is taken, too."""
        event = entry.event
        if event is None:
            return True
        if self.kind and not _matches(self.kind, entry.kind):
            return False
        if self.visibility and not _matches(self.visibility, event.visibility):
            return False
        return not self.user_type or _matches(self.user_type, entry.party and entry.party.user_type)

    def text(self) -> str:
        """Return the conditions as JSON, the same for the same conditions."""
        told: dict[str, object] = {
            "attribute": dict(self.attribute),
            "kind": self.kind,
            "tenant": self.tenant,
            "user_type": self.user_type,
            "visibility": self.visibility,
        }
        given = {name: patterns for name, patterns in told.items() if patterns}
        return json.dumps(given, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@lru_cache(maxsize=4096)
def _matches(patterns: tuple[str, ...], value: str | None) -> bool:
    return value is not None and any(fnmatchcase(value, pattern) for pattern in patterns)
