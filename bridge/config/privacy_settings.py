"""Settings of what is removed from texts and attributes, beyond the secrets that are always removed (P5)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.config.section import Name, Section
from bridge.records import patterns


class PrivacyRule(Section):
    """One rule: hides one attribute, or what one detector finds in texts."""

    name: Name = Field(description="Name of the rule; recorded in `redactions`.")
    attribute: str | None = Field(
        default=None,
        description="Path of a value in userData or eventAttributes; `*` matches any characters. It also holds for "
        "repeats of the key and for everything below a list.",
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
    action: Literal["drop", "mask", "hash"] = Field(default="mask", description="What happens to what is found.")

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


class PrivacySettings(Section):
    """Redaction beyond the secrets that are always removed (P5)."""

    rules: tuple[PrivacyRule, ...] = Field(
        default=(), description="Redaction rules, applied in order; the keys of a rule are listed below."
    )
    subjects: tuple[str, ...] = Field(
        default=(),
        description="Paths of attributes that identify a person, of the announcement or of events (`*` matches any "
        "characters). Session records have keyed hashes of the values, made with the keys of action `hash`: "
        "`chatbridge subject` finds a person's chats by them.",
    )
    hash_key_file: str | None = Field(default=None, description="File that holds the key.")
    hash_key: SecretStr | None = Field(default=None, min_length=16, description="Key of action `hash`.")

    @field_validator("hash_key")
    @classmethod
    def _required_to_hash(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        hashing = any(rule.action == "hash" for rule in info.data.get("rules", ()))
        hashing = hashing or bool(info.data.get("subjects"))
        if value is None and hashing and not info.data.get("hash_key_file"):
            raise ValueError("required by a rule with action hash; set privacy.hash_key_file")
        return value
