"""A small issuer of access tokens: a token endpoint with client credentials, and the keys to check tokens with."""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.parse
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support.threaded_server import QuietHandler, ThreadedServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.certificates import Authority

CLIENT_ID: Final = "bridge"
AUDIENCE: Final = "kafka"
ISSUER: Final = "https://issuer.example"
_KEY_ID: Final = "key-1"


class Issuer(ThreadedServer):
    """Listens with TLS, a certificate of `authority`. `secret` may be changed; `asked` counts tokens and refusals."""

    def __init__(self, authority: Authority, secret: str, seconds: int) -> None:
        self.secret = secret
        self.seconds = seconds
        self.asked = {"granted": 0, "refused": 0}
        self.scopes: set[str] = set()
        self._key = rsa.generate_private_key(65537, 2048)
        issuer = self

        class _TokenHandler(QuietHandler):
            def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                given = base64.b64encode(f"{CLIENT_ID}:{issuer.secret}".encode()).decode()
                granted = self.headers["Authorization"] == f"Basic {given}" and form["grant_type"] == [
                    "client_credentials"
                ]
                issuer.asked["granted" if granted else "refused"] += 1
                issuer.scopes |= set(form.get("scope", []))
                token = {"access_token": issuer.token(), "token_type": "Bearer", "expires_in": issuer.seconds}
                body = json.dumps(token if granted else {"error": "invalid_client"}).encode()
                self.answer(200 if granted else 401, body)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.issue("issuer").store_file)
        super().__init__(_TokenHandler, context)
        self.url = f"{self.base_url}/token"

    def token(self) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": CLIENT_ID, "iat": now, "exp": now + self.seconds, "scope": "k"}
        signed = f"{_encoded({'alg': 'RS256', 'typ': 'JWT', 'kid': _KEY_ID})}.{_encoded(claims)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64(signature)}"

    def write_keys(self, file: Path) -> Path:
        """Write the JSON Web Key Set that a broker reads."""
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": _KEY_ID}
        file.write_text(json.dumps({"keys": [{**key, "n": _number(numbers.n), "e": _number(numbers.e)}]}))
        return file


def _encoded(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
