"""Access tokens for Amazon MSK with IAM: requests that Amazon's own package signs with the AWS credentials it finds.

The package is the optional extra `msk-iam`: it brings boto3.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.oauth_tokens import RenewedTokens, TokenUnavailable
from bridge.optional_packages import optional_package

if TYPE_CHECKING:
    from collections.abc import Callable

    Sign = Callable[[str], tuple[str, float]]

_MODULE: Final = "aws_msk_iam_sasl_signer.MSKAuthTokenProvider"
_MS: Final = 1_000


def installed_signer() -> Sign:
    """Return what signs for a region: a token, and the end of its life in milliseconds since 1970 UTC. It blocks.

    Raises ConfigError when the package is not installed.
    """
    setting, what = "kafka.oauth.msk_region", "the package that signs for Amazon MSK is"
    module = optional_package(_MODULE, setting=setting, what=what, extra="msk-iam")
    sign: Sign = module.generate_auth_token
    return sign


class MskIamTokens(RenewedTokens):
    """Gives a token for the clusters of a region, signed with the credentials that AWS's default chain finds then."""

    def __init__(
        self,
        region: str,
        sign: Sign,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing connects before the first token is needed. `now` is in seconds since 1970 UTC."""
        super().__init__(clock)
        self._region = region
        self._sign = sign
        self._now = now

    async def ask(self) -> tuple[str, float]:
        """Sign in a thread: looking for credentials may ask a server. Raises TokenUnavailable."""
        try:
            token, end_ms = await asyncio.to_thread(self._sign, self._region)
        except Exception as error:  # botocore has classes of its own; without credentials it is an AttributeError
            raise TokenUnavailable(
                f"no token for Amazon MSK in {self._region}: AWS credentials are missing or cannot be used "
                f"({type(error).__name__})"
            ) from error
        return token, end_ms / _MS - self._now()
