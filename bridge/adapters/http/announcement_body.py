"""Validates the body of POST /v1/sessions: one announcement or a list of them, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from bridge import announcement as rules
from bridge.announcement import Announcement
from bridge.errors import UnreadableAnnouncement

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BODY_BYTES: Final = 1 << 20
MAX_ANNOUNCEMENTS: Final = 1_000
_MAX_PROBLEMS: Final = 20


def _without(problem_of: Callable[[Any], str]) -> AfterValidator:
    def check(value: Any) -> Any:
        problem = problem_of(value)
        if problem:
            raise ValueError(problem)
        return value

    return AfterValidator(check)


class AnnouncementBody(BaseModel):
    """One announcement as it is posted.

    Unlike on the topic, an unknown field is an error: otherwise a misspelt `password` would only show as a refused
    join.
    """

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, strict=True, allow_inf_nan=False)

    session_id: Annotated[str, _without(rules.session_id_problem)]
    host: Annotated[str, _without(rules.host_problem)]
    port: Annotated[int, _without(rules.port_problem)]
    servers: Annotated[list[str], _without(rules.servers_problem)] = []
    password: str | None = None
    tenant: Annotated[str | None, _without(rules.tenant_problem)] = None
    user_data: dict[str, str | int | float | bool] = {}
    announced_at: int | None = None


_BODIES: Final = TypeAdapter(Annotated[list[AnnouncementBody], Field(max_length=MAX_ANNOUNCEMENTS)])


class BodyRefused(Exception):
    """The body is not acceptable; `problems` are the reasons, without any value of the body."""

    def __init__(self, problems: list[str]) -> None:
        """One line per problem."""
        super().__init__()
        self.problems = problems


def read_announcements(body: bytes) -> list[Announcement]:
    """Return the announcements of a body (at most MAX_ANNOUNCEMENTS). Raises BodyRefused."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BodyRefused(["the body is not JSON"]) from None
    is_list = isinstance(value, list)
    try:
        bodies = _BODIES.validate_python(value if is_list else [value])
    except ValidationError as error:
        raise BodyRefused(_reasons(error, is_list=is_list)) from None
    found: list[Announcement] = []
    for at, each in enumerate(bodies):
        one = Announcement(**dict(each))
        try:
            rules.encode(one)  # checked before anything is written: a list is refused as a whole
        except UnreadableAnnouncement as error:
            raise BodyRefused([f"[{at}]: {error.message}" if is_list else error.message]) from None
        found.append(one)
    return found


def _reasons(error: ValidationError, *, is_list: bool) -> list[str]:
    """Return place and expectation of each problem; never a value of the body."""
    lines: list[str] = []
    for each in error.errors(include_url=False, include_input=False, include_context=False)[:_MAX_PROBLEMS]:
        first, *rest = each["loc"] or ("",)
        # Below userData the path consists of names that the caller chose: the field is shown alone.
        where = ".".join(str(part) for part in rest[:1])
        if each["type"] == "extra_forbidden":
            known = ", ".join(to_camel(name) for name in AnnouncementBody.model_fields)
            where, text = "", f"unknown field; known are {known}"
        else:
            text = each["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
        place = ([f"[{first}]"] if is_list and first != "" else []) + ([where] if where else [])
        lines.append(": ".join([".".join(place), text]) if place else text)
    return list(dict.fromkeys(lines))
