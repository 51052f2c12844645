"""A provider of OpenID Connect in this process: its discovery, its keys, and what it signs.

It gives a code to each browser that is sent to it, and for the code a token, as RFC 7636 has it.
"""

import hashlib
import json
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


@dataclass
class Provider:
    """`asked` are the paths that were fetched of it, `claims` those of whom it signs in next."""

    issuer: str = ""
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def rotate(self, kid: str) -> None:
        """Sign by a new key from now on, and tell no other."""
        self.keys = {kid: rsa.generate_private_key(65537, 2048)}

    def sign(self, key: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        """Sign a token; a claim of None is left out."""
        [(kid, own)] = self.keys.items()
        now = int(time.time())
        told = {"iss": self.issuer, "aud": "kb", "sub": "ana", "iat": now, "exp": now + 60}
        told = {name: value for name, value in {**told, **claims}.items() if value is not None}
        return jwt.encode(told, key or own, algorithm, {"kid": kid})

    def tell(self, path: str) -> Any:
        match path:
            case "/.well-known/openid-configuration":
                return {
                    "issuer": self.issuer,
                    "jwks_uri": f"{self.issuer}/keys",
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                }
            case "/keys":
                public = {kid: key.public_key() for kid, key in self.keys.items()}
                jwks = [
                    {**RSAAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "alg": "RS256"}
                    for kid, key in public.items()
                ]
                return {"keys": jwks}
        return None

    def authorize(self, address: str) -> str:
        """Where a browser is sent back to that comes by this address."""
        asked = dict(parse_qsl(urlsplit(address).query))
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def exchange(self, form: dict[str, str], authorization: str) -> dict[str, Any]:
        """What is told for a code, once, and only to who knows what it was asked with."""
        asked = self.codes.pop(form.get("code", ""), None)
        secret = b64encode(b"kb:secret+of+kb").decode()
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if (
            asked is None
            or form["redirect_uri"] != asked["redirect_uri"]
            or authorization != f"Basic {secret}"
            or asked["code_challenge_method"] != "S256"
            or urlsafe_b64encode(verifier).decode().rstrip("=") != asked["code_challenge"]
        ):
            return {"error": "invalid_grant"}
        said = {"aud": asked["client_id"], "nonce": asked["nonce"], **self.claims}
        return {"token_type": "Bearer", "access_token": "a", "id_token": self.sign(**said)}


@contextmanager
def running_provider() -> Iterator[Provider]:
    provider = Provider()
    provider.rotate("first")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked.append(self.path)
            told = provider.tell(self.path)
            body = json.dumps(told).encode()
            self.send_response(404 if told is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            provider.asked.append(self.path)
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told = provider.exchange(dict(parse_qsl(form)), self.headers["Authorization"])
            body = json.dumps(told).encode()
            self.send_response(400 if "error" in told else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
