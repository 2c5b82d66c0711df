"""Base class of the sections of the settings, and the value types they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from bridge.addresses import split_address
from bridge.secret_files import secret_in

if TYPE_CHECKING:
    from collections.abc import Callable


def _is_address(value: str) -> str:
    split_address(value)
    return value


def _are_addresses(value: str) -> str:
    for part in value.split(","):
        split_address(part.strip())
    return value


Address = Annotated[str, AfterValidator(_is_address)]
Addresses = Annotated[str, AfterValidator(_are_addresses)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PerSecond = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")]


class Section(BaseModel):
    """A group of settings: unknown keys are errors, values are frozen, defaults are validated, too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def secret(value: SecretStr | None, file: str | None, least: int = 1) -> Callable[[], str] | None:
    """Return what gives a secret as its file is now, or its value when there is no file; None without both.

    Raises OSError or ValueError when the file cannot be read now, or holds fewer than `least` characters.
    """
    if file is not None:
        return secret_in(file, least)
    return None if value is None else value.get_secret_value
