"""The section `outputs` of the settings: where the records of chats go, in which form, and which of them.

Without it there is one output, `default`: the topics that `kafka.topic_prefix` names, all rules, and every chat.
"""

from __future__ import annotations

import difflib
from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from bridge.config.section import Name, Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOPIC_PREFIX_PATTERN: Final = r"^[A-Za-z0-9._-]{0,200}$"


class WhereSettings(Section):
    """Which part of the chats, and of their events, an output has. A condition that is empty holds for everything."""

    tenant: tuple[str, ...] = Field(
        default=(),
        description="Tenants, with `*`, `?` and `[...]`; one of them has to match, case counts. A chat whose tenant "
        "is not known is in no output that names tenants.",
    )
    visibility: tuple[Literal["ALL", "INT", "VIP"], ...] = Field(default=(), description="Visibilities of events.")
    kind: tuple[Literal["PARTY_JOINED", "MESSAGE", "NOTICE", "PARTY_LEFT", "UNKNOWN"], ...] = Field(
        default=(), description="Kinds of events. Records of kinds GAP and RESUMED are always there."
    )
    user_type: tuple[Literal["CLIENT", "AGENT", "SUPERVISOR", "EXTERNAL", "SYSTEM"], ...] = Field(
        default=(), description="User types of the parties of events."
    )
    attribute: dict[str, str] = Field(
        default_factory=dict,
        description="Path of a value in the chat's user data -> the value, both with `*`, `?` and `[...]`; every one "
        "of them has to match.",
    )

    @property
    def anything(self) -> bool:
        """Whether there is no condition."""
        return self == WhereSettings()


class OutputSettings(Section):
    """One output: topics of its own for the events, sessions and quarantined input of the chats that it has."""

    name: Name = Field(
        description="Name of the output. It stands in checkpoints: under another name, each open chat begins anew in "
        "the output. `default` goes on with what was written without this section.",
    )
    topic_prefix: str | None = Field(
        default=None,
        pattern=TOPIC_PREFIX_PATTERN,
        description="Put before the names of its topics; `kafka.topic_prefix` if it is not set. Two outputs cannot "
        "have the same.",
    )
    framing: Literal["registry", "single_object"] | None = Field(
        default=None,
        description="How records name their schema: by its id in the registry, or by its fingerprint (Avro's "
        "single-object encoding). Without a value, by the registry if there is one.",
    )
    rules: tuple[str, ...] | None = Field(
        default=None,
        description="Names of the rules of `privacy.rules` that apply, in the order of those; all of them if it is "
        "not set, none with an empty list. Secrets are removed in any case.",
    )
    typing_previews: Literal["keep", "drop"] | None = Field(
        default=None,
        description="Whether texts of typing notices are kept. Without a value they are dropped where a rule with a "
        "detector applies: a detector cannot find half a card number.",
    )
    where: WhereSettings = Field(default_factory=WhereSettings)
    sealed: bool = Field(
        default=False,
        description="Whether texts, nicknames and attributes are encrypted with a key of each chat.",
    )
    ended: bool = Field(
        default=False,
        description="Whether the output takes nothing more. Set it before an output is removed: each chat that is open "
        "there ends with a coded record; without it, chats just go on elsewhere.",
    )
    max_record_bytes: int | None = Field(
        default=None,
        ge=65_536,
        description="Largest record to write to its topics; `kafka.max_record_bytes` if it is not set, and never more.",
    )


def problems_of(
    outputs: Sequence[OutputSettings], *, topic_prefix: str, max_record_bytes: int, rules: Sequence[str], registry: bool
) -> Iterator[str]:
    """Yield what is wrong with outputs beside each other and with other settings, one line each.

    `topic_prefix` and `max_record_bytes` are those of the installation, `rules` the names of all rules, `registry` says
    whether there is one.
    """
    yield from _shared(outputs, topic_prefix)
    for one in outputs:
        if one.framing == "registry" and not registry:
            yield f"{one.name}: framing registry needs schema_registry.url"
        if (one.max_record_bytes or 0) > max_record_bytes:
            yield f"{one.name}: max_record_bytes is above kafka.max_record_bytes, {max_record_bytes}"
        for rule in one.rules or ():
            if rule not in rules:
                yield f"{one.name}: there is no rule {rule} in privacy.rules; {_nearest(rule, rules)}"


def _shared(outputs: Sequence[OutputSettings], topic_prefix: str) -> Iterator[str]:
    for name, times in Counter(one.name for one in outputs).items():
        if times > 1:
            yield f"{times} outputs are called {name}; expected names that differ"
    by_prefix: dict[str, list[str]] = {}
    for one in outputs:
        by_prefix.setdefault(topic_prefix if one.topic_prefix is None else one.topic_prefix, []).append(one.name)
    for prefix, names in by_prefix.items():
        if len(names) > 1:
            yield f"{' and '.join(names)} have the same topics, prefix {prefix!r}; expected a topic_prefix for each"


def _nearest(rule: str, rules: Sequence[str]) -> str:
    near = difflib.get_close_matches(rule, rules, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"expected one of {', '.join(rules)}" if rules else "there are no rules"
