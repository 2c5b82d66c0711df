"""The summary of a chat as docs/summary-of-a-chat.md defines it, from the whole list of its events, the dull way.

Each figure is looked up in the list by itself, as slowly as it needs; nothing of `bridge.transcript.summary*` is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.transcript.events import ChatEvent, Items

HUMAN = {"AGENT", "SUPERVISOR"}
SPEAKERS = {"CLIENT", "BOT", *HUMAN}


def value(items: Items, key: str) -> Any:
    return next((item.value for item in items if item.key == key), None)


class NaiveSummary:
    """`events` have different ids. Positions are indexes into the events in the order of their ids."""

    def __init__(self, events: list[ChatEvent]) -> None:
        counted = [event for event in sorted(events, key=lambda one: one.event_id) if counts(event)]
        self.events = counted
        self.joins = [event for event in counted if event.event_type == "newParty"]
        self.info = {event.user_id: event for event in self.joins if event.user_info is not None}
        self.at = [max(event.time_shift, 0) for event in counted]
        self.all = range(len(counted))
        self.serving, self.present = list(self.each_staff()), list(self.each_customers())

    # --- parties -------------------------------------------------------------------------------------------------

    def bare_role(self, user_id: str) -> str:
        joined = self.info.get(user_id)
        if joined is None or joined.user_info is None:
            return "UNKNOWN"
        word = joined.user_info.user_type
        return word if word in {"CLIENT", "AGENT", "SUPERVISOR", "EXTERNAL", "SYSTEM"} else "OTHER"

    def guessed(self, user_id: str) -> bool:
        joined = self.info.get(user_id)
        if joined is None or joined.user_info is None or self.bare_role(user_id) != "AGENT":
            return False
        return value(joined.user_data, "GCTI_Chat_PartyStyle") != "BOT" and not joined.user_info.person_id

    def role(self, user_id: str) -> str:
        role, joined = self.bare_role(user_id), self.info.get(user_id)
        marked = joined is not None and value(joined.user_data, "GCTI_Chat_PartyStyle") == "BOT"
        return "BOT" if self.guessed(user_id) or (marked and role not in {"CLIENT", "UNKNOWN"}) else role

    def person(self, user_id: str) -> str:
        info = self.info[user_id].user_info
        return (info.person_id if info is not None else "") or user_id

    def seen_join(self, at: int) -> bool:
        return self.events[at].event_type == "newParty" and self.events[at].visibility == "ALL"

    def is_departure(self, at: int) -> bool:
        return self.events[at].event_type == "partyLeft"

    def staff(self, until: int) -> set[str]:
        """Persons who serve after the event at a position."""
        return self.serving[until]

    def customers(self, until: int) -> set[str]:
        return self.present[until]

    def each_staff(self) -> Iterator[set[str]]:
        present: set[str] = set()
        for at, event in enumerate(self.events):
            if self.seen_join(at) and self.role(event.user_id) in HUMAN:
                present.add(event.user_id)
            elif self.is_departure(at):
                present.discard(event.user_id)
            yield set(map(self.person, present))

    def each_customers(self) -> Iterator[set[str]]:
        present: set[str] = set()
        for at, event in enumerate(self.events):
            if event.event_type == "newParty" and self.role(event.user_id) == "CLIENT":
                present.add(event.user_id)
            elif self.is_departure(at):
                present.discard(event.user_id)
            yield set(present)

    def first(self, roles: set[str], *, seen: bool = True) -> int | None:
        return next(
            (
                at
                for at in self.all
                if self.events[at].event_type == "newParty"
                and (not seen or self.seen_join(at))
                and self.role(self.events[at].user_id) in roles
            ),
            None,
        )

    def uttered(self, at: int, roles: set[str] = SPEAKERS) -> bool:
        event = self.events[at]
        if self.role(event.user_id) not in roles or event.visibility != "ALL":
            return False
        if event.event_type == "newParty":
            return event.message_text is not None and event.message_text.text != ""
        if event.receiver_id is not None:
            return False
        if event.event_type == "message":
            return event.message_text is None or event.message_text.treat_as != "SYSTEM"
        return event.notice_text is not None and (
            event.notice_text.notice_type == "USER_PUSHED_URL" or event.notice_text.text == "file-uploaded"
        )

    # --- times ---------------------------------------------------------------------------------------------------

    def responses(self) -> list[int]:
        found = []
        for asked in self.all:
            if not self.uttered(asked, {"CLIENT"}) or self.turn_before(asked):
                continue
            for at in range(asked + 1, len(self.events)):
                if self.customers(at - 1) and not self.customers(at):
                    break
                if self.uttered(at, {"BOT"}):
                    break
                if self.uttered(at, HUMAN):
                    if self.staff(at):
                        begin = at
                        while begin > asked and self.staff(begin - 1):
                            begin -= 1
                        found.append(max(self.at[at] - self.at[begin], 0))
                    break
        return found

    def turn_before(self, asked: int) -> bool:
        """Whether a turn of customers is open already."""
        for at in range(asked - 1, -1, -1):
            if self.uttered(at, {"BOT", *HUMAN}) or (at and self.customers(at - 1) and not self.customers(at)):
                return False
            if self.uttered(at, {"CLIENT"}):
                return True
        return False

    def silence(self) -> int | None:
        longest: int | None = None
        begun: int | None = None
        for at in self.all:
            here, there = bool(self.customers(at - 1)) if at else False, bool(self.customers(at))
            if there and not here:
                begun = self.at[at]
                longest = longest or 0
            if begun is not None and (self.uttered(at) or (here and not there)):
                longest = max(longest or 0, self.at[at] - begun)
                begun = self.at[at] if there else None
        return longest if begun is None else max(longest or 0, max(self.at) - begun)

    # --- agents --------------------------------------------------------------------------------------------------

    def passages(self) -> tuple[int, int]:
        """Transfers and conferences."""
        found = []
        for at in self.all:
            before = self.staff(at - 1) if at else set()
            for joiner in self.staff(at) - before:
                if before:
                    found.append(self.together(joiner, set(before), at))
                else:
                    gone = [one for one in map(self.leaver, range(at)) if one is not None]
                    found.append("transfer" if gone and gone[-1] != joiner else "")
        return found.count("transfer"), found.count("conference")

    def leaver(self, at: int) -> str | None:
        return next(iter(self.staff(at - 1) - self.staff(at)), None) if at else None

    def together(self, joiner: str, others: set[str], joined: int) -> str:
        for at in range(joined + 1, len(self.events)):
            author = self.events[at].user_id
            if self.uttered(at, HUMAN) and self.person(author) in others:
                return "conference"
            if self.leaver(at) == joiner:
                return "conference"
            others.discard(self.leaver(at) or "")
            if not others:
                return "transfer"
        return "conference"

    # --- the end -------------------------------------------------------------------------------------------------

    def code(self, at: int) -> int | None:
        event = self.events[at]
        if event.reason is not None and event.reason.code is not None:
            return event.reason.code
        system = value(event.event_attributes, "GCTI_SYSTEM") or []
        word = value(system, "quit-reason-code")
        return None if word is None else int(word)

    def goes_on(self, at: int) -> bool:
        return any(self.seen_join(later) or self.uttered(later) for later in range(at + 1, len(self.events)))

    def last_customer(self, until: int) -> int | None:
        """The last departure of a customer up to a position, if none joined since."""
        for at in range(until, -1, -1):
            if self.role(self.events[at].user_id) == "CLIENT":
                if self.is_departure(at):
                    return at
                if self.seen_join(at):
                    return None
        return None

    def alone(self, until: int) -> bool:
        at = self.last_customer(until)
        if at is None:
            return False
        event = self.events[at]
        return event.asker_id in (None, event.user_id) and self.code(at) in (None, 0, 3)

    def ending(self) -> tuple[str | None, str | None]:
        """The reason, and the user id of who ended the chat."""
        final = [at for at in self.all if not self.goes_on(at)]
        notices = [at for at in final if self.events[at].event_type == "notice" and self.is_idle(at)]
        requests = [at for at in final if self.is_departure(at) and self.code(at) in (1, 2)]
        gone = self.last_customer(len(self.events) - 1)
        if notices:
            return "IDLE", self.events[notices[-1]].user_id
        if gone is not None and self.code(gone) == 7:
            return "IDLE", self.events[gone].asker_id or self.events[gone].user_id
        words = {1: "CLOSE_IF_NO_AGENTS", 2: "FORCE_CLOSE"}
        if requests:
            return words[self.code(requests[-1]) or 0], self.events[requests[-1]].user_id
        if gone is None:
            return None, None
        words |= {3: "DISCONNECTED", 4: "REMOVED", 5: "SERVER", 6: "WRONG_KEY", 8: "RESTORATION"}
        code = self.code(gone)
        return words.get(code, "OTHER") if code else "LEFT", self.events[gone].asker_id or self.events[gone].user_id

    def is_idle(self, at: int) -> bool:
        notice = self.events[at].notice_text
        return notice is not None and notice.notice_type == "IDLE_CONTROL_CLOSE"

    # --- all -----------------------------------------------------------------------------------------------------

    def wrote(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for event in self.events:
            text = event.message_text.text if event.message_text is not None else ""
            if event.event_type == "message" or (text and event.event_type in {"newParty", "partyLeft"}):
                told = found.setdefault(self.role(event.user_id), {"messages": 0, "characters": 0})
                told["messages"] += 1
                told["characters"] += len(text)
        return found

    def files(self, word: str) -> int:
        return sum(event.notice_text is not None and event.notice_text.text == word for event in self.events)

    def fields(self) -> dict[str, Any]:
        """All but agentResponses, which `responses` lists."""
        customer, agent, bot = self.first({"CLIENT"}, seen=False), self.first(HUMAN), self.first({"BOT"})
        spoken = next((at for at in self.all if self.uttered(at, HUMAN)), None)
        reason, closer = self.ending()
        transfers, conferences = self.passages()
        members = {event.user_id for event in self.events}
        unknown = any(self.role(one) == "UNKNOWN" for one in members)
        why = ["BOTS_GUESSED"] * any(self.guessed(one) for one in members) + ["PARTIES_UNKNOWN"] * unknown
        served = [user_id for user_id in self.info if self.role(user_id) in HUMAN]
        customers = [one for one in self.joins if self.role(one.user_id) == "CLIENT"]
        return {
            "definitions": 1,
            "approximate": bool(why),
            "approximateReasons": why,
            "durationSeconds": max(self.at),
            "waitSeconds": None if None in (customer, agent) else max(self.at[agent or 0] - self.at[customer or 0], 0),
            "firstResponseSeconds": None
            if None in (customer, spoken)
            else max(self.at[spoken or 0] - self.at[customer or 0], 0),
            "longestSilenceSeconds": self.silence(),
            "byUserType": self.wrote(),
            "agents": len(
                {self.person(one.user_id) for one in self.joins if one.user_id in served and one.visibility == "ALL"}
            ),
            "transfers": transfers,
            "conferences": conferences,
            "coachings": sum(one.visibility == "INT" and self.role(one.user_id) in HUMAN for one in self.joins),
            "botHandled": bot is not None,
            "botHandedOver": bot is not None
            and any(self.seen_join(at) and self.events[at].user_id in served for at in range(bot, len(self.events))),
            "filesUploaded": self.files("file-uploaded"),
            "filesDeleted": self.files("file-deleted"),
            "closeReason": reason,
            "closedByUserType": None if closer is None else self.role(closer),
            "closedByUserId": closer,
            "abandoned": self.alone(len(self.events) - 1 if agent is None else agent),
            "idleClosed": reason == "IDLE",
            "async": any(
                value(one.user_data, "GCTI_Chat_AsyncMode") == "true" for one in customers if one.visibility == "ALL"
            )
            if customers
            else None,
        }


def counts(event: ChatEvent) -> bool:
    notice = event.notice_text
    if event.event_type != "notice":
        return event.event_type in {"newParty", "message", "partyLeft"}
    if notice is None:
        return False
    if notice.notice_type == "USER_PUSHED_URL":
        return event.visibility == "ALL" and event.receiver_id is None
    return notice.notice_type == "IDLE_CONTROL_CLOSE" or (
        notice.notice_type == "SYS_COMMAND" and notice.text in {"file-uploaded", "file-deleted"}
    )


def bucket(seconds: int) -> int:
    """The name of the bucket: the largest one that is not longer."""
    names = list(range(32))
    width = 2
    while names[-1] < seconds:
        names += [width * digits for digits in range(16, 32)]
        width *= 2
    return max(name for name in names if name <= seconds)
