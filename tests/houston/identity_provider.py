"""An OpenID Connect provider at a socket: it signs in whoever `person` is, without asking."""

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

CLIENT_ID = "houston"
CLIENT_SECRET = "the provider knows it too"
OURS = rsa.generate_private_key(public_exponent=65537, key_size=2048)
THEIRS = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class IdentityProvider:
    """Answers as the standard says, but for what a test sets.

    `claims` and `userinfo` change what the answers say, `key` and `algorithm` what signs the ID
    token, `error` is what it sends people back with, `broken` names addresses that answer 500,
    `garbled` those that answer nonsense.
    """

    def __init__(self):
        self.person = {"sub": "person-1"}
        self.claims, self.userinfo = {}, {}
        self.key, self.algorithm = OURS, "RS256"
        self.error = ""
        self.broken, self.garbled = set(), set()
        self.asked = []
        self._codes = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def authorize(self, query):
        """Where somebody is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        self.asked.append(asked)
        back = {"state": asked["state"]}
        if self.error:
            back["error"] = self.error
        else:
            back["code"] = secrets.token_hex(8)
            self._codes[back["code"]] = asked
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def _token(self, form):
        asked = self._codes.pop(form.get("code"), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        fits = (
            asked is not None
            and (form["client_id"], form["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)
            and (asked["code_challenge_method"], asked["code_challenge"]) == ("S256", challenge)
            and form["redirect_uri"] == asked["redirect_uri"]
        )
        if not fits:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 60,
            "nonce": asked["nonce"],
            **self.person,
            **self.claims,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        key = None if self.algorithm == "none" else self.key
        token = jwt.encode(kept, key, algorithm=self.algorithm, headers={"kid": "one"})
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": token}

    def _answer(self, path, form):
        match path:
            case "/.well-known/openid-configuration":
                return 200, {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                    "userinfo_endpoint": f"{self.url}/userinfo",
                    "jwks_uri": f"{self.url}/keys",
                }
            case "/keys":
                public = json.loads(RSAAlgorithm.to_jwk(OURS.public_key()))
                return 200, {"keys": [{**public, "kid": "one", "alg": "RS256", "use": "sig"}]}
            case "/token":
                return self._token(form)
            case "/userinfo":
                return 200, {**self.person, **self.userinfo}
        return 404, {}

    def _handler(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                parts = urlsplit(self.path)
                if parts.path == "/authorize":
                    self.send_response(302)
                    self.send_header("location", provider.authorize(parts.query))
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                length = int(self.headers.get("content-length") or 0)
                form = {
                    name: values[0]
                    for name, values in parse_qs(self.rfile.read(length).decode()).items()
                }
                status, answer = provider._answer(parts.path, form)
                body = json.dumps(answer).encode()
                if parts.path in provider.garbled:
                    body = b'["what"'
                self.send_response(500 if parts.path in provider.broken else status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, format, *args):  # noqa: A002
                pass

        return Handler


def environment(provider):
    """What a Houston is started with that signs people in by this provider."""
    return {
        "HOUSTON_OIDC_URL": provider.url,
        "HOUSTON_OIDC_CLIENT_ID": CLIENT_ID,
        "HOUSTON_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "HOUSTON_OIDC_NAME": "Harbour ID",
    }
