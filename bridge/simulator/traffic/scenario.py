"""Generated chats like those of a contact centre. Pure and seeded: the same seed gives the same chats.

A chat is a generator of steps, put together from activities such as a customer's message or a transfer. All data is
recognisably artificial: nicknames are `Visitor 12` or `Agent 3`, addresses end in `example.invalid`.
"""

from __future__ import annotations

import base64
import hashlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.chatserver.messages import CLOSE_IF_NO_AGENTS, FORCE_CLOSE
from bridge.simulator.model.departures import DISCONNECTED, FLEX_INACTIVE, WRONG_KEY
from bridge.simulator.model.idle import IdleTimeouts
from bridge.simulator.model.session_parties import BASIC, ESP, FLEX, PartySpec
from bridge.simulator.traffic.actions import (
    Action,
    ConsumeIds,
    DepartSession,
    JoinSession,
    LeaveSession,
    OpenSession,
    Scenario,
    SendMessage,
    SendNotice,
    SetIdle,
    StopSession,
)
from bridge.simulator.traffic.phrases import AGENT_PHRASES, BOT_PHRASES, COACH_PHRASES, CUSTOMER_PHRASES, GREETINGS
from bridge.transcript.events import (
    AGENT,
    ALL,
    CLIENT,
    EXTERNAL,
    INT,
    KVLIST,
    SUPERVISOR,
    SYS_COMMAND,
    TYPING_STARTED,
    TYPING_STOPPED,
    USER_CUSTOM,
    USER_PUSHED_URL,
    USER_UPDATE_NICK,
    Item,
    Items,
    MessageText,
    NoticeText,
    UserInfo,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIXED_EVENTS: Final = 9  # average number besides the activities: joins, greeting, ending
_EVENTS_PER_ACTIVITY: Final = 2.6


@dataclass(slots=True, frozen=True)
class ScenarioSettings:
    """`mean_events` per chat; `think_scale` multiplies every pause (1.0: realistic, 0.01: a test)."""

    seed: int = 1
    mean_events: int = 30
    think_scale: float = 1.0
    tenant: str = "Resources"


def session_id(seed: int, number: int) -> str:
    """Return the session id of chat `number`: 16 base32 characters, the same for the same seed."""
    digest = hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=10).digest()
    return base64.b32encode(digest).decode()


def scenario(settings: ScenarioSettings, number: int) -> Scenario:
    """Return chat `number` of `settings.seed`."""
    return Scenario(session_id(settings.seed, number), _ScenarioScript(settings, number).steps())


class _ScenarioScript:
    """Generates the steps of one chat. The order of calls to `rng` decides the chat: keep it."""

    def __init__(self, settings: ScenarioSettings, number: int) -> None:
        self.rng = random.Random(f"{settings.seed}:{number}")  # noqa: S311 - not for security
        self.settings = settings
        self.number = number
        self.customer = self._id()
        self.workflow = self._id()
        self.agent = ""
        self.asynchronous = self.rng.random() < 0.05  # noqa: PLR2004 - a twentieth of the chats
        self.uploads = 0

    # --- the steps of a chat ----------------------------------------------------------------------------------------

    def steps(self) -> Iterator[tuple[float, Action]]:
        rng = self.rng
        yield 0.0, OpenSession(self._customer(), self.settings.tenant)
        workflow = UserInfo("workflow", EXTERNAL, protocol_type=ESP, time_zone_offset=0)
        yield self._think(0.5), JoinSession(PartySpec(workflow, self.workflow))
        yield 0.0, self._text_message(self.workflow, rng.choice(GREETINGS))
        if rng.random() < 0.4:  # noqa: PLR2004 - share of chats that begin with a bot
            yield from self._bot()
        yield from self._agent_joins()
        body = self.settings.mean_events - _FIXED_EVENTS
        activities = round(rng.expovariate(1.0) * body / _EVENTS_PER_ACTIVITY) if body > 0 else 0
        for _ in range(min(activities, 10 * self.settings.mean_events)):
            activity = rng.choices(_ACTIVITIES, _WEIGHTS)[0]
            yield from activity(self)
        yield from rng.choices(_ENDINGS, _ENDING_WEIGHTS)[0](self)

    def _bot(self) -> Iterator[tuple[float, Action]]:
        bot = self._id()
        declared = self.rng.random() < 0.7  # noqa: PLR2004 - share of bots that declare themselves; the others look like agents
        style = [Item("GCTI_Chat_PartyStyle", value="BOT"), Item("GCTI_Chat_SetPartyStyle", value="BOT")]
        info = UserInfo("SimBot", AGENT, "", BASIC, 0, 105)
        greeting = MessageText(self.rng.choice(BOT_PHRASES))
        yield self._think(1), JoinSession(PartySpec(info, bot, user_data=style if declared else [], greeting=greeting))
        for _ in range(self.rng.randint(1, 3)):
            yield from self.customer_message()
            text = self.rng.choice(BOT_PHRASES)
            yield self._think(0.5), self._text_message(bot, text)
            yield 0.0, SendNotice(bot, NoticeText(USER_CUSTOM, f"<p>{text}</p>"))
        if self.rng.random() < 0.5:  # noqa: PLR2004 - share of bots that disconnect without leaving
            yield self._think(1), DepartSession(bot, DISCONNECTED)
        else:
            yield self._think(1), LeaveSession(bot)

    def _agent_joins(self) -> Iterator[tuple[float, Action]]:
        number = self.rng.randint(1, 400)
        self.agent = self._id()
        info = UserInfo(f"Agent {number}", AGENT, f"agent-{number:03}", BASIC, 0, self.rng.choice((105, 106)))
        data = [Item("GWS_USERID", value=f"sim-user-{number:03}")]
        yield self._think(4), JoinSession(PartySpec(info, self.agent, user_data=data))

    # --- activities--------------------------------------------------------------------------------------------------

    def customer_message(self) -> Iterator[tuple[float, Action]]:
        text = self.rng.choice(CUSTOMER_PHRASES).format(number=self.rng.randint(1, 9999), visitor=self.number)
        preview = text[: self.rng.randint(0, 12)]
        yield self._think(3), SendNotice(self.customer, NoticeText(TYPING_STARTED, preview))
        yield self._think(4), SendMessage(self.customer, MessageText(text, "text"))
        yield 0.0, SendNotice(self.customer, NoticeText(TYPING_STOPPED))

    def agent_message(self) -> Iterator[tuple[float, Action]]:
        text = self.rng.choice(AGENT_PHRASES).format(number=self.rng.randint(1, 9999))
        yield self._think(2), SendNotice(self.agent, NoticeText(TYPING_STARTED))
        yield self._think(4), SendMessage(self.agent, MessageText(text, treat_as="NORMAL"))
        yield 0.0, SendNotice(self.agent, NoticeText(TYPING_STOPPED))

    def pushed_url(self) -> Iterator[tuple[float, Action]]:
        url = f"https://example.invalid/help/{self.rng.randint(1, 99)}?a=1&b=2"
        yield self._think(3), SendNotice(self.agent, NoticeText(USER_PUSHED_URL, url))

    def file_upload(self) -> Iterator[tuple[float, Action]]:
        self.uploads += 1
        data = [
            Item("file-name", value=f"sample-{self.uploads}.pdf"),
            Item("file-size", "int", self.rng.randint(1_000, 2_097_152)),
            Item("file-source", value="ucs"),
            Item("file-document-id", value=session_id(self.number, self.uploads)),
            Item("file-upload-type", value="file-system"),
        ]
        yield self._think(5), SendNotice(self.customer, NoticeText(SYS_COMMAND, "file-uploaded"), user_data=data)
        if self.rng.random() < 0.3:  # noqa: PLR2004 - share of uploads that are deleted
            deleted = [Item("file-id", value=f"{self.uploads:016X}")]
            yield self._think(5), SendNotice(self.agent, NoticeText(SYS_COMMAND, "file-deleted"), user_data=deleted)

    def coaching(self) -> Iterator[tuple[float, Action]]:
        coach = self._id()
        info = UserInfo("Coach", SUPERVISOR, "sup-009", BASIC, 0, 105)
        yield self._think(2), JoinSession(PartySpec(info, coach, INT))
        yield self._think(3), SendMessage(coach, MessageText(self.rng.choice(COACH_PHRASES), treat_as="NORMAL"), INT)
        private = MessageText(self.rng.choice(COACH_PHRASES), treat_as="NORMAL")
        yield self._think(3), SendMessage(coach, private, INT, self.agent)
        yield self._think(1), SendMessage(self.agent, MessageText("Understood.", treat_as="NORMAL"), INT)
        yield self._think(2), LeaveSession(coach)

    def new_nickname(self) -> Iterator[tuple[float, Action]]:
        yield self._think(2), SendNotice(self.customer, NoticeText(USER_UPDATE_NICK, f"Visitor {self.number} bis"))

    def workflow_notice(self) -> Iterator[tuple[float, Action]]:
        yield self._think(2), SendNotice(self.workflow, NoticeText(USER_CUSTOM, "<b>hint for agents</b>"), INT)

    def transfer(self) -> Iterator[tuple[float, Action]]:
        former = self.agent
        yield from self._agent_joins()
        yield self._think(1), LeaveSession(former)
        if self.asynchronous and self.rng.random() < 0.5:  # noqa: PLR2004 - share that has no agent for a while
            yield self._think(1), LeaveSession(self.agent)
            yield self._think(60), ConsumeIds(self.rng.randint(1, 30))
            yield from self._agent_joins()

    def unused_ids(self) -> Iterator[tuple[float, Action]]:
        yield 0.0, ConsumeIds(self.rng.randint(1, 4))

    # --- endings ----------------------------------------------------------------------------------------------------

    def force_close(self) -> Iterator[tuple[float, Action]]:
        yield self._think(2), SendMessage(self.agent, MessageText("Conversation ends.", treat_as="SYSTEM"))
        yield 0.0, LeaveSession(self.agent, FORCE_CLOSE)

    def customer_leaves(self) -> Iterator[tuple[float, Action]]:
        yield self._think(3), LeaveSession(self.customer)
        yield 0.0, LeaveSession(self.agent, FORCE_CLOSE)

    def close_if_no_agents(self) -> Iterator[tuple[float, Action]]:
        yield self._think(3), LeaveSession(self.agent, CLOSE_IF_NO_AGENTS)

    def agent_drops(self) -> Iterator[tuple[float, Action]]:
        yield self._think(1), DepartSession(self.agent, DISCONNECTED)
        yield self._think(8), LeaveSession(self.customer)

    def customer_drops(self) -> Iterator[tuple[float, Action]]:
        yield self._think(8), DepartSession(self.customer, FLEX_INACTIVE)
        yield self._think(2), LeaveSession(self.agent)

    def customer_removed(self) -> Iterator[tuple[float, Action]]:
        yield self._think(3), LeaveSession(self.agent, user_id=self.customer)
        yield self._think(1), LeaveSession(self.agent, CLOSE_IF_NO_AGENTS)

    def wrong_key(self) -> Iterator[tuple[float, Action]]:
        yield self._think(3), DepartSession(self.customer, WRONG_KEY)
        yield self._think(1), LeaveSession(self.agent)

    def workflow_stops(self) -> Iterator[tuple[float, Action]]:
        yield self._think(3), StopSession()

    def goes_idle(self) -> Iterator[tuple[float, Action]]:
        scale = self.settings.think_scale
        yield self._think(1), SetIdle(IdleTimeouts(20 * scale, 0, 8 * scale))

    # --- parties and pauses -----------------------------------------------------------------------------------------

    def _id(self) -> str:
        return f"{self.rng.getrandbits(64):016X}"

    def _think(self, mean: float) -> float:
        return self.rng.expovariate(1.0) * mean * self.settings.think_scale

    def _text_message(self, user_id: str, text: str) -> SendMessage:
        return SendMessage(user_id, MessageText(text), ALL)

    def _customer(self) -> PartySpec:
        offset = self.rng.choice((-300, 0, 60, 120, 330))
        info = UserInfo(f"Visitor {self.number}", CLIENT, "", FLEX, offset, 106)
        return PartySpec(info, self.customer, user_data=self._customer_data(offset))

    def _customer_data(self, offset: int) -> Items:
        number, rng = self.number, self.rng
        page = f"https://example.invalid/shop/{rng.randint(1, 500)}"
        data = [
            Item("FirstName", value="Visitor"),
            Item("LastName", value=f"Number{number}"),
            Item("EmailAddress", value=f"visitor{number}@example.invalid"),
            Item("IdentifyCreateContact", value="3"),
            Item("MediaType", value="chat"),
            Item("TimeZone", value=str(offset)),
            Item("GCTI_LanguageCode", value=rng.choice(("en-US", "de-DE", "fr-FR", "ja-JP"))),
            Item("IPaddress", value=f"192.0.2.{rng.randint(1, 254)}"),
            Item("UserAgent", value="Mozilla/5.0 (invented)"),
            Item("PageTag", value=""),
            Item("_genesys_pageTitle", value="Shop & more"),
            Item("_genesys_referrer", value="https://example.invalid/"),
            Item("_genesys_source", value="web"),
            Item("_genesys_url", value=page),
            Item("push_notification_deviceid", value=f"device-{rng.getrandbits(64):016x}"),
            Item("push_notification_type", value="customhttp"),
        ]
        if rng.random() < 0.1:  # noqa: PLR2004 - share with nested data
            cart = [Item("items", "int", rng.randint(1, 9)), Item("tag", value="a"), Item("tag", value="b")]
            data.append(Item("cart", KVLIST, cart))
        if self.asynchronous:
            data.append(Item("GCTI_Chat_AsyncMode", value="true"))
        return data


_ACTIVITIES: Final[list[Callable[[_ScenarioScript], Iterator[tuple[float, Action]]]]] = [
    _ScenarioScript.customer_message,
    _ScenarioScript.agent_message,
    _ScenarioScript.pushed_url,
    _ScenarioScript.file_upload,
    _ScenarioScript.coaching,
    _ScenarioScript.new_nickname,
    _ScenarioScript.workflow_notice,
    _ScenarioScript.transfer,
    _ScenarioScript.unused_ids,
]
_WEIGHTS: Final = [36, 36, 4, 3, 3, 1, 4, 3, 6]
_ENDINGS: Final[list[Callable[[_ScenarioScript], Iterator[tuple[float, Action]]]]] = [
    _ScenarioScript.force_close,
    _ScenarioScript.customer_leaves,
    _ScenarioScript.close_if_no_agents,
    _ScenarioScript.agent_drops,
    _ScenarioScript.customer_drops,
    _ScenarioScript.customer_removed,
    _ScenarioScript.wrong_key,
    _ScenarioScript.workflow_stops,
    _ScenarioScript.goes_idle,
]
_ENDING_WEIGHTS: Final = [30, 30, 15, 6, 5, 4, 2, 4, 4]
