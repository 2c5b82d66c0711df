"""The section `sources.ucs` of the settings: stored transcripts in the database of Universal Contact Server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.config.section import Count, Seconds, Section
from bridge.config.ucs_http_settings import UcsHttpSettings

_MOST_CHARACTERS: Final = 16 * 1024 * 1024
"""In UTF-8 they are not more than a stored text may have on its topic."""


class UcsNames(Section):
    """Names in the database. Upper and lower case do not matter."""

    table: str = Field(default="interaction", min_length=1, description="Table or view of the interactions.")
    table_schema: str | None = Field(default=None, description="Schema of the table; by default that of the account.")
    id: str = Field(default="id", min_length=1, description="Column of the session id.")
    status: str = Field(default="status", min_length=1, description="Column of the status; 3 is over.")
    start_date: str = Field(default="startdate", min_length=1, description="Column of the start, in UTC.")
    media_type: str = Field(default="mediatypeid", min_length=1, description="Column of the media type.")
    text: str = Field(default="structuredtext", min_length=1, description="Column of the transcript.")


class UcsSettings(Section):
    """Following the table of interactions of UCS 8.x by SQL. Only with a URL. Needs the extra `ucs`."""

    url_file: str | None = Field(
        default=None,
        description="File that holds the URL of the database with account and password, as SQLAlchemy writes it: "
        "`postgresql+psycopg://reader:password@db.example/ucs`. Read again when it changes.",
    )
    url: SecretStr | None = Field(default=None, description="The URL itself.")
    archive_url_file: str | None = Field(
        default=None, description="File that holds the URL of the archive database, if there is one."
    )
    archive_url: SecretStr | None = Field(default=None, description="The URL of the archive itself.")
    names: UcsNames = Field(default_factory=UcsNames)
    media_types: str = Field(
        default="chat",
        pattern=r"^[^\s,]+(\s*,\s*[^\s,]+)*$",
        description="Media types that are chats, separated by commas.",
    )
    mode: Literal["archive_only", "near_live", "fill_and_check"] = Field(
        default="archive_only",
        description="What is passed on. `archive_only`: texts of chats that are over. `near_live`: those of running "
        "chats, too, each time that they have grown. `fill_and_check`: texts of chats that are over, after "
        "`grace_seconds`, so that a live source has ended the chat before.",
    )
    since: str | None = Field(
        default=None,
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
        description="Start of the first chat to be read, such as `2031-03-01T00:00:00Z`; by default the time of the "
        "first start. It has no effect any more once a position is stored.",
    )
    poll_seconds: Seconds = Field(default=30.0, description="Pause between two readings of the table.")
    overlap_seconds: Count = Field(
        default=3_600,
        description="How far before the highest start the table is read again, for rows that become visible late; also "
        "how long a text is looked at again after the chat's end, for later edits.",
    )
    grace_seconds: Count = Field(default=120, description="Wait after the end of a chat; mode `fill_and_check` only.")
    page_rows: int = Field(default=100, ge=1, le=1_000, description="Rows per statement.")
    statement_timeout_seconds: Seconds = Field(
        default=30.0, description="Time limit of one statement, set in the session on PostgreSQL."
    )
    largest_text_characters: int = Field(
        default=_MOST_CHARACTERS, ge=1_024, le=_MOST_CHARACTERS, description="Longest text that is fetched."
    )
    http: UcsHttpSettings = Field(default_factory=UcsHttpSettings)
    missing_after_seconds: Count = Field(
        default=86_400, description="How long a chat that is over is asked for its text before it counts as missing."
    )

    @field_validator("since", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """Take a time that YAML or TOML has read as one."""
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return value

    @field_validator("since")
    @classmethod
    def _is_a_time(cls, value: str | None) -> str | None:
        if value is not None:
            datetime.fromisoformat(value)
        return value

    @property
    def kinds(self) -> tuple[str, ...]:
        """The media types."""
        return tuple(each.strip() for each in self.media_types.split(","))

    @property
    def start(self) -> datetime | None:
        """`since` as STARTDATE is compared: UTC, without a zone."""
        return None if self.since is None else datetime.fromisoformat(self.since).replace(tzinfo=None)

    @field_validator("archive_url")
    @classmethod
    def _beside_a_main_one(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and info.data.get("url") is None:
            raise ValueError("goes with sources.ucs.url_file")
        return value
