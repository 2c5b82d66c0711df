"""Settings of what is removed from texts and attributes, beyond the secrets that are always removed (P5)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.config.section import Name, Section, secret
from bridge.records import patterns
from bridge.records.rules import BUILT_IN, Action, Group, MaskForm
from bridge.secret_files import reason_of, secret_in

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_KEY_CHARACTERS: Final = 16
MOST_HOLD_BACK_SECONDS: Final = 15
"""Half of the age at which the oldest event that is not committed makes a worker unready."""


class PrivacyRule(Section):
    """One rule: hides one attribute, or what one detector finds in texts."""

    name: Name = Field(description="Name of the rule; recorded in `redactions`.")
    attribute: str | None = Field(
        default=None,
        description="Path of a value in userData, eventAttributes or unknownAttributes; `*` matches any characters. "
        "It also holds for repeats of the key and for everything below a list.",
    )
    group: Group | None = Field(
        default=None, description="The only attributes in which a rule with `attribute` looks; all of them by default."
    )
    detector: Literal["payment_card", "iban", "email", "phone", "regex"] | None = Field(
        default=None,
        description="What to look for in every text that people may have written, keys of attributes included, and "
        "behind escapes of JSON and XML.",
    )
    pattern: str | None = Field(
        default=None,
        description="Regular expression of detector `regex`, in the "
        "[syntax of RE2](https://github.com/google/re2/wiki/Syntax): no look-around, back-references, possessive "
        "repeats or repeats above 1,000. `\\d`, `\\w`, `\\s`, `\\b` know ASCII only: write `\\pL` for letters and "
        "`\\p{Nd}` for digits of every script. `$` matches at the end only, not before a last line end. After many "
        "matches in a long text (16 MiB read in sum), a match is looked for within 1 KiB of its beginning.",
    )
    action: Action = Field(
        default="mask",
        description="What happens to what is found. `hash` puts a pseudonym (`privacy.hash_keys`). `allow` goes with "
        "`attribute` and makes a list: of the attributes among which such a rule looks, all that none of them names "
        "are dropped, and input that cannot be read is quarantined without letters and digits. Other rules hold for "
        "what is allowed, too.",
    )
    mask: MaskForm = Field(
        default="length",
        description="Form of a mask: an asterisk for each character, or always three.",
    )

    @field_validator("detector")
    @classmethod
    def _one_target(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is None) == (info.data.get("attribute") is None):
            raise ValueError("expected either attribute or detector")
        return value

    @field_validator("pattern")
    @classmethod
    def _goes_with_regex(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is not None) != (info.data.get("detector") == "regex"):
            raise ValueError("goes with detector: regex, and only with it")
        if value is not None:
            patterns.compiled(value)
        return value

    @field_validator("name")
    @classmethod
    def _not_built_in(cls, value: str) -> str:
        if value in BUILT_IN:
            raise ValueError("is what `redactions` call something that needs no rule; expected another name")
        return value

    @field_validator("group")
    @classmethod
    def _goes_with_attribute(cls, value: Group | None, info: ValidationInfo) -> Group | None:
        if value is not None and info.data.get("attribute") is None:
            raise ValueError("goes with attribute")
        return value

    @field_validator("action")
    @classmethod
    def _allows_attributes(cls, value: Action, info: ValidationInfo) -> Action:
        if value == "allow" and info.data.get("attribute") is None:
            raise ValueError("allow goes with attribute")
        return value

    @field_validator("mask")
    @classmethod
    def _goes_with_masks(cls, value: MaskForm, info: ValidationInfo) -> MaskForm:
        if value != "length" and info.data.get("action") != "mask":
            raise ValueError("goes with action: mask")
        return value


class HashKeySettings(Section):
    """A key of pseudonyms."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
    key_file: str

    def __str__(self) -> str:
        """Return what `chatbridge config` shows of it."""
        return self.id

    def key(self) -> Callable[[], str]:
        """Return what gives the key as its file is now. Raises OSError or ValueError when it cannot be read now."""
        return secret_in(self.key_file, LEAST_KEY_CHARACTERS)


class PrivacySettings(Section):
    """Redaction beyond the secrets that are always removed (P5)."""

    rules: tuple[PrivacyRule, ...] = Field(
        default=(), description="Redaction rules, applied in order; the keys of a rule are listed below."
    )
    hold_back_seconds: float = Field(
        default=0.0,
        ge=0,
        le=MOST_HOLD_BACK_SECONDS,
        description="How long a message in which a payment card's or an IBAN's number may begin waits, with what comes "
        "for its chat after it, for the message that completes the number: then all parts are redacted, not only the "
        "last one. 0: nothing waits. Other messages do not wait.",
    )
    subjects: tuple[str, ...] = Field(
        default=(),
        description="Paths of attributes that identify a person, of the announcement or of events (`*` matches any "
        "characters). Session records have keyed hashes of the values, made with the keys of action `hash`: "
        "`chatbridge subject` finds a person's chats by them.",
    )
    hash_keys: tuple[HashKeySettings, ...] = Field(
        default=(),
        description="Keys of action `hash`, each with an `id` and a `key_file` of at least 16 characters. The first "
        "makes the pseudonyms, `<id>:<16 hexadecimal digits>`; to change it, put a new one with another id before it. "
        "The others are kept to find a person by pseudonyms that were made with them.",
    )
    hash_key_file: str | None = Field(default=None, description="File that holds the key.")
    hash_key: SecretStr | None = Field(
        default=None,
        min_length=LEAST_KEY_CHARACTERS,
        description="Key of action `hash` without an id: pseudonyms are the digits alone. With `privacy.hash_keys` it "
        "makes none any more.",
    )

    @field_validator("rules")
    @classmethod
    def _differ_in_name(cls, value: tuple[PrivacyRule, ...]) -> tuple[PrivacyRule, ...]:
        for name, times in Counter(rule.name for rule in value).items():
            if times > 1:
                raise ValueError(f"{times} rules are called {name}; expected names that differ")
        return value

    @field_validator("hash_keys")
    @classmethod
    def _are_usable(cls, value: tuple[HashKeySettings, ...]) -> tuple[HashKeySettings, ...]:
        for name, times in Counter(one.id for one in value).items():
            if times > 1:
                raise ValueError(f"{times} keys have the id {name}; expected ids that differ")
        for one in value:
            try:
                one.key()
            except (OSError, ValueError) as error:
                raise ValueError(f"key_file of {one.id}: {reason_of(error)}") from None
        return value

    @field_validator("hash_key")
    @classmethod
    def _required_to_hash(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        hashing = any(rule.action == "hash" for rule in info.data.get("rules", ()))
        hashing = hashing or bool(info.data.get("subjects"))
        if value is None and hashing and not info.data.get("hash_key_file") and not info.data.get("hash_keys"):
            raise ValueError("required by a rule with action hash, and by privacy.subjects; set privacy.hash_keys")
        return value

    def key_sources(self) -> list[tuple[str | None, Callable[[], str]]]:
        """Return (id, what gives the key as it is now) of every key, the one that makes pseudonyms first.

        Raises OSError or ValueError when a file cannot be read now.
        """
        unnamed = secret(self.hash_key, self.hash_key_file, LEAST_KEY_CHARACTERS)
        named: list[tuple[str | None, Callable[[], str]]] = [(one.id, one.key()) for one in self.hash_keys]
        return named if unnamed is None else [*named, (None, unnamed)]
