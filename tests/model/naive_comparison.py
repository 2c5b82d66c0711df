"""Whether two sights of an event id are the same event, and the same content: said in full events, not fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec.structs import replace

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent

TEXTS: Final = ("message_text", "notice_text")


class SeenEvent(NamedTuple):
    """An event as it was seen, with the version that the server told it to."""

    event: ChatEvent
    version: int | None
    masked: bool = False


def identity(event: ChatEvent) -> tuple[str, str, int]:
    return event.event_type, event.user_id, event.time_shift


def shown_to(event: ChatEvent, version: int | None) -> dict[str, Any]:
    """Return all of an event that a client of `version` is sent; None is sent everything."""
    shown = {name: getattr(event, name) for name in event.__struct_fields__ if name != "event_id"}
    if version is not None and version < 106:
        del shown["event_attributes"]
    if version is not None and version < 104 and event.event_type == "notice":
        del shown["user_data"]
    return shown


def known_of(sights: list[SeenEvent]) -> dict[str, Any]:
    """Return all that is known of an event: each attribute as the last version that carries it has shown it.

    What a sight masked is known from those before it.
    """
    known: dict[str, Any] = {}
    for sight in sights:
        shown = shown_to(sight.event, sight.version)
        if sight.masked:
            shown = {name: value for name, value in shown.items() if name not in TEXTS}
        known |= shown
    return known


def as_far_as_carried(sights: list[SeenEvent], new: SeenEvent) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is known and what is new, without what one of them does not have."""
    left, right = known_of(sights), shown_to(new.event, new.version)
    both = left.keys() & right.keys()
    return {name: left[name] for name in both}, {name: right[name] for name in both}


def is_masked(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Tell whether `new` is `old` with characters of its texts replaced by `*`, and nothing else."""
    if [without_text(name, old[name]) for name in old] != [without_text(name, new[name]) for name in old]:
        return False
    pairs = [(old[name].text, new[name].text) for name in TEXTS if old[name] is not None]
    return all(
        len(before) == len(after) and all(b in (a, "*") for a, b in zip(before, after, strict=True))
        for before, after in pairs
    )


def without_text(name: str, value: Any) -> Any:
    return replace(value, text="") if name in TEXTS and value is not None else value
