"""A provider of OpenID Connect in this process: its discovery, its keys, and what it signs."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm


@dataclass
class Provider:
    """`asked` are the paths that were fetched of it."""

    issuer: str = ""
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

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
                return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
            case "/keys":
                public = {kid: key.public_key() for kid, key in self.keys.items()}
                jwks = [
                    {**RSAAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "alg": "RS256"}
                    for kid, key in public.items()
                ]
                return {"keys": jwks}
        return None


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
