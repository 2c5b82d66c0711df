"""A broker with a listener on which clients authenticate with access tokens over TLS (SASL OAUTHBEARER)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.sandbox import LocalBroker
from bridge.sandbox.process import LOOPBACK, free_ports
from tests.support.oidc import AUDIENCE, ISSUER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bridge.sandbox.node import Node
    from tests.support.certificates import Authority

_HANDLER = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
_LOGIN = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;"


class TokenBroker(LocalBroker):
    """Checks signature, issuer, audience and time of tokens; ends a connection when its token has expired.

    Its certificate is of `authority`. Java has to be allowed to read `keys` by the variable that `environment` gives.
    """

    def __init__(self, keys: Path, authority: Authority, *, overrides: Mapping[str, str] | None = None) -> None:
        super().__init__(overrides=overrides)
        self._keys = keys
        self._server = authority.issue("broker")
        [self._port] = free_ports(1)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        return {"JAVA_TOOL_OPTIONS": f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self._keys.as_uri()}"}

    def _settings(self, node: Node, voters: str) -> dict[str, str]:
        settings = super()._settings(node, voters)
        prefix = "listener.name.tokens."
        return {
            **settings,
            "listeners": f"{settings['listeners']},TOKENS://{self.address}",
            "advertised.listeners": f"{settings['advertised.listeners']},TOKENS://{self.address}",
            "listener.security.protocol.map": f"{settings['listener.security.protocol.map']},TOKENS:SASL_SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "OAUTHBEARER",
            f"{prefix}ssl.keystore.type": "PEM",
            f"{prefix}ssl.keystore.location": str(self._server.store_file),
            f"{prefix}oauthbearer.sasl.jaas.config": _LOGIN,
            f"{prefix}oauthbearer.sasl.server.callback.handler.class": _HANDLER,
            f"{prefix}oauthbearer.sasl.oauthbearer.jwks.endpoint.url": self._keys.as_uri(),
            f"{prefix}oauthbearer.sasl.oauthbearer.expected.issuer": ISSUER,
            f"{prefix}oauthbearer.sasl.oauthbearer.expected.audience": AUDIENCE,
            f"{prefix}oauthbearer.sasl.oauthbearer.clock.skew.seconds": "1",  # the clock is that of the issuer
            f"{prefix}oauthbearer.connections.max.reauth.ms": "3600000",
        }
