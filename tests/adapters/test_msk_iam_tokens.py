"""Tokens for Amazon MSK with IAM, without MSK: what is signed, how long it is used, and what is missing."""

from __future__ import annotations

import asyncio
import base64
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiokafka.abc import AbstractTokenProvider

from bridge.adapters.kafka.connection_causes import ClientFacts, ConnectionOutcome, Stage, cause_of
from bridge.adapters.kafka.msk_iam_tokens import MskIamTokens, installed_signer
from bridge.adapters.kafka.oauth_tokens import TokenUnavailable
from bridge.config import load
from bridge.errors import ConfigError
from bridge.factories import client_of

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.config import Config

REGION = "eu-central-1"
KEY_ID, KEY = "AKIAINVENTED00000001", "invented-canary-key"
LIFE_SECONDS = 900
OAUTH = {"kafka.client.security_protocol": "SASL_SSL", "kafka.client.sasl_mechanism": "OAUTHBEARER"}


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


def settings(**more: str) -> Config:
    oauth = {f"kafka.oauth.{name}": value for name, value in more.items()}
    return load(None, {}, {**OAUTH, "kafka.oauth.msk_region": REGION, **oauth})


def provider() -> Any:
    found = client_of(settings())["sasl_oauth_token_provider"]
    assert isinstance(found, AbstractTokenProvider)
    return found


def signed(token: str) -> dict[str, list[str]]:
    """Return the parameters of the request that a token is; its host is that of the region."""
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii"))
    assert (url.scheme, url.netloc) == ("https", f"kafka.{REGION}.amazonaws.com")
    return parse_qs(url.query)


def test_the_token_is_a_request_signed_for_the_region_with_the_credentials_of_the_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "invented-session")
    token = asyncio.run(provider().token())
    parameters = signed(token)
    assert parameters["Action"] == ["kafka-cluster:Connect"]
    assert parameters["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert parameters["X-Amz-Security-Token"] == ["invented-session"]
    assert parameters["X-Amz-Expires"] == [str(LIFE_SECONDS)]
    key_id, _, region, service, kind = parameters["X-Amz-Credential"][0].split("/")
    assert (key_id, region, service, kind) == (KEY_ID, REGION, "kafka-cluster", "aws4_request")
    assert len(bytes.fromhex(parameters["X-Amz-Signature"][0])) == 32
    assert KEY not in str(parameters)


def test_a_token_is_used_for_four_fifths_of_its_life() -> None:
    now = 0.0
    asked: list[str] = []

    def sign(region: str) -> tuple[str, float]:
        asked.append(region)
        return f"token-{len(asked)}", (1_900_000_000 + now + LIFE_SECONDS) * 1_000

    tokens = MskIamTokens(REGION, sign, now=lambda: 1_900_000_000 + now, clock=lambda: now)

    async def scene() -> None:
        nonlocal now
        assert await asyncio.gather(*(tokens.token() for _ in range(5))) == ["token-1"] * 5
        now = 0.79 * LIFE_SECONDS
        assert await tokens.token() == "token-1"
        now = 0.81 * LIFE_SECONDS
        assert await tokens.token() == "token-2"

    asyncio.run(scene())
    assert asked == [REGION, REGION]


def test_without_credentials_there_is_a_cause_that_says_so() -> None:
    with pytest.raises(TokenUnavailable, match=f"no token for Amazon MSK in {REGION}: AWS credentials") as told:
        asyncio.run(provider().token())
    facts = ClientFacts(protocol="SASL_SSL", mechanism="OAUTHBEARER")
    outcome = ConnectionOutcome("b-1", 9098, Stage.AUTHENTICATE, told.value, mechanisms=("OAUTHBEARER",))
    cause = cause_of(outcome, facts)
    assert cause is not None
    assert cause.code == "KAFKA_TOKEN_UNAVAILABLE"
    assert REGION in cause.message


def test_what_a_failed_signature_says_is_not_quoted() -> None:
    def sign(_: str) -> tuple[str, float]:
        raise RuntimeError(KEY)

    with pytest.raises(TokenUnavailable, match="RuntimeError") as told:
        asyncio.run(MskIamTokens(REGION, sign).token())
    assert KEY not in str(told.value)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("aws_msk_iam_sasl_signer", "aws_msk_iam_sasl_signer.MSKAuthTokenProvider"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as told:
        installed_signer()
    assert "chatbridge[msk-iam]" in told.value.next_step
    with pytest.raises(ConfigError, match="not installed"):
        provider()


@pytest.mark.parametrize("other", [{"token_file": "/run/token"}, {"token_endpoint": "https://login.example/token"}])
def test_there_is_one_source_of_tokens(other: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="expected one of token_file, token_endpoint and msk_region"):
        settings(**other)
