"""Why a chat has no summary, and why its figures are approximate: the codes in session records."""

from __future__ import annotations

from typing import Final

FORGOTTEN: Final = "FORGOTTEN"
FORMER_VERSION: Final = "FORMER_VERSION"
NOTHING_SEEN: Final = "NOTHING_SEEN"
PART_ONLY: Final = "PART_ONLY"

EVENTS_MISSING: Final = "EVENTS_MISSING"
IDS_REUSED: Final = "IDS_REUSED"
PARTIES_UNKNOWN: Final = "PARTIES_UNKNOWN"
BOTS_GUESSED: Final = "BOTS_GUESSED"

NO_SUMMARY_CODES: Final = {
    FORGOTTEN: (
        "Of events of this chat only their records are left: it ended a while ago, or its checkpoint was lost.",
        "Use the summary of the certificate that this one supersedes, or compute the figures from the events.",
    ),
    FORMER_VERSION: (
        "Events of this chat were captured by a version of the bridge that computes no summaries.",
        "Nothing: chats that begin after the upgrade have one.",
    ),
    NOTHING_SEEN: ("No event of this chat was seen that counts.", "See the reasons of the certificate."),
    PART_ONLY: (
        "This output does not hold all records of the chat, and figures would tell of the others.",
        "Take the summary from an output that holds all, or compute the figures from the events.",
    ),
}
"""Code of `noSummary` -> what it means, and what to do."""

APPROXIMATE_CODES: Final = {
    EVENTS_MISSING: (
        "The certificate is INCOMPLETE: the figures are those of the events that were captured.",
        "See the reasons of the certificate.",
    ),
    IDS_REUSED: (
        "Events came under ids of others, as after a restoration. Each id counts once, with the first of its events.",
        "Compute the figures from the events if they matter.",
    ),
    PARTIES_UNKNOWN: (
        "A party acted that was not seen to join: what it is, is not known.",
        "See the reasons of the certificate.",
    ),
    BOTS_GUESSED: (
        "An agent without the mark of a bot has no personId, and is taken for a bot.",
        "Let bots join with GCTI_Chat_PartyStyle=BOT; if it is a person, see to it that agents have a personId.",
    ),
}
"""Code of `approximateReasons` -> what it means, and what to do."""
