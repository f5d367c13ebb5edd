"""An OpenID Connect issuer on this machine: keys that it publishes and rotates, tokens, and ways to misbehave."""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from jwcrypto import jwk, jws
from jwcrypto.common import base64url_encode

AUDIENCE = "https://holdfast.example"
KEYS_PATH = "/keys"
DISCOVERY_PATH = "/.well-known/openid-configuration"
RSA, EC, ED25519 = (
    {"kty": "RSA", "size": 2048},
    {"kty": "EC", "crv": "P-256"},
    {"kty": "OKP", "crv": "Ed25519"},
)


@dataclass
class Reply:
    """What an address answers."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    # Held back until the issuer ends: all of it, or all but a byte now and then.
    never: bool = False
    drips: bool = False


class LocalIssuer:
    """Publishes the keys it last made, and signs with the newest."""

    def __init__(self, server: ThreadingHTTPServer, scheme: str) -> None:
        self.url = f"{scheme}://127.0.0.1:{server.server_port}"
        self.asked: list[str] = []
        self.replies: dict[str, Reply] = {}
        self.keys: list[jwk.JWK] = []
        self.ended = Event()
        self.publish(make_key("first", EC))

    def publish(self, *keys: jwk.JWK) -> None:
        """Publish these keys alone; the last is the one that signs from now on."""
        published = [json.loads(key.export_public()) for key in keys]
        self.replies[KEYS_PATH] = Reply(json.dumps({"keys": published}).encode())
        discovery = {"issuer": self.url, "jwks_uri": self.url + KEYS_PATH}
        self.replies[DISCOVERY_PATH] = Reply(json.dumps(discovery).encode())
        self.keys = list(keys)

    def rotate(self, kind: Mapping[str, Any] = EC) -> jwk.JWK:
        """Make a key, publish it beside those that signed so far, and sign with it."""
        made = make_key(f"key-{time.monotonic_ns()}", kind)
        self.publish(*self.keys, made)
        return made

    def token(self, header: Mapping[str, Any] | None = None, *, key: jwk.JWK | None = None, **claims: Any) -> str:
        """Sign a token that is right but for what is given; None leaves a claim or a header out."""
        key = key or self.keys[-1]
        return signed(self.claims(**claims), header or {}, key)

    def claims(self, **claims: Any) -> dict[str, Any]:
        now = int(time.time())
        right = {"iss": self.url, "aud": AUDIENCE, "sub": "somebody", "iat": now, "exp": now + 300}
        return without_none(right | claims)


def make_key(key_id: str, kind: Mapping[str, Any] = EC) -> jwk.JWK:
    return jwk.JWK.generate(kid=key_id, **kind)


def algorithm_of(key: jwk.JWK) -> str:
    return {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA", "oct": "HS256"}[key["kty"]]


def signed(claims: Any, header: Mapping[str, Any], key: jwk.JWK) -> str:
    whole = without_none({"alg": algorithm_of(key), "kid": key.get("kid"), "typ": "JWT"} | dict(header))
    token = jws.JWS(json.dumps(claims))
    token.allowed_algs = [whole["alg"]]
    token.add_signature(key, protected=json.dumps(whole))
    made: str = token.serialize(compact=True)
    return made


def part(value: Any) -> str:
    """Return one part of a token: of bytes, or of what is no bytes as JSON."""
    encoded: str = base64url_encode(value if isinstance(value, bytes) else json.dumps(value))
    return encoded


def without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


@contextmanager
def local_issuer(tls: ssl.SSLContext | None = None) -> Iterator[LocalIssuer]:
    """Run an issuer for the length of the block, behind TLS where it has a certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            reply = issuer.replies.get(self.path, Reply(status=404))
            if reply.never:
                issuer.ended.wait()
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self._write(reply)

        def _write(self, reply: Reply) -> None:
            if not reply.drips:
                self.wfile.write(reply.body)
                return
            for byte in reply.body:
                if issuer.ended.wait(0.05):
                    return
                try:
                    self.wfile.write(bytes([byte]))
                except OSError:
                    return

        def log_message(self, *args: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        issuer = LocalIssuer(server, "https" if tls else "http")
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield issuer
        finally:
            issuer.ended.set()
            server.shutdown()
            thread.join()
