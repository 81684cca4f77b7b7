"""Tokens of an identity provider, whose keys are fetched from its JWKS over HTTP, and change."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sources.api import auth
from sources.errors import HubError
from sources.settings import Settings
from tests.sources.api.conftest import Api, token_of
from tests.sources.business import NORTH

ISSUER: Final = "https://id.example/realms/north"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class IdentityProvider:
    """An HTTP server with the public keys of `keys`; `fetches` counts the requests."""

    def __init__(self) -> None:
        self.keys: dict[str, PrivateKey] = {}
        self.more: list[dict[str, Any]] = []
        self.fetches = 0
        self.fails = False
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches += 1
                body = json.dumps({"keys": [*map(provider.public, provider.keys), *provider.more]}).encode()
                self.send_response(500 if provider.fails else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks"

    def public(self, key_id: str) -> dict[str, Any]:
        key = self.keys[key_id].public_key()
        kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPublicKey) else jwt.algorithms.ECAlgorithm
        public: dict[str, Any] = json.loads(kind.to_jwk(key))  # type: ignore[arg-type]
        return public | {"kid": key_id, "use": "sig"}

    def token(self, key_id: str, *, typ: str | None = "JWT", **claims: object) -> str:
        key = self.keys[key_id]
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        given = {name: value for name, value in _claims(**claims).items() if value is not None}
        return jwt.encode(given, key, algorithm, {"kid": key_id, "typ": typ})


def _claims(**changed: object) -> dict[str, object]:
    return {
        "iss": ISSUER, "sub": "auth0|somebody", "email": "client@north.example", "email_verified": True,
        "org_id": str(NORTH.id),
        "aud": "business-services-hub", "exp": int(time.time()) + 600,
    } | changed  # fmt: skip


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    it = IdentityProvider()
    it.keys = {"rsa": rsa.generate_private_key(65537, 2048), "ec": ec.generate_private_key(ec.SECP256R1())}
    Thread(target=it.server.serve_forever, daemon=True).start()
    yield it
    it.server.shutdown()
    it.server.server_close()


@pytest.fixture(autouse=True)
def _long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pause between two fetches of the keys longer than a slow machine needs."""
    monkeypatch.setattr(auth, "JWKS_PAUSE_S", 600)


@pytest.fixture
def api(provider: IdentityProvider, serve: Callable[..., AbstractContextManager[Api]]) -> Iterator[Api]:
    with serve(jwks_url=provider.url, jwt_issuer=ISSUER) as running:
        yield running


def _status(api: Api, token: str) -> int:
    return api.new_client(Authorization=f"Bearer {token}").get("/v1/keys").status_code


def test_keys_of_both_types_are_fetched_once(api: Api, provider: IdentityProvider) -> None:
    for _ in range(3):
        assert _status(api, provider.token("rsa")) == 200
        assert _status(api, provider.token("ec")) == 200
    assert provider.fetches == 1


def test_claims_are_verified(api: Api, provider: IdentityProvider) -> None:
    assert _status(api, provider.token("rsa", exp=int(time.time()) - 60)) == 401
    assert _status(api, provider.token("rsa", aud="another")) == 401
    assert _status(api, provider.token("rsa", email="nobody@north.example")) == 401
    assert _status(api, provider.token("rsa", email_verified=False)) == 401
    assert _status(api, provider.token("rsa", events={"http://schemas.openid.net/event/backchannel-logout": {}})) == 401
    assert _status(api, provider.token("rsa", org_id=[str(NORTH.id)])) == 401
    assert _status(api, provider.token("rsa", email_verified=True, exp=int(time.time()) - 10)) == 200  # clocks differ


def test_tokens_of_other_issuers_and_types_are_refused(api: Api, provider: IdentityProvider) -> None:
    issuers: list[dict[str, Any]] = [{"iss": None}, {"iss": "https://id.example/realms/south"}]
    for claims in (*issuers, {"typ": "ID"}, {"at_hash": "x"}, {"c_hash": "x"}):
        assert _status(api, provider.token("rsa", **claims)) == 401, claims
    for typ in ("logout+jwt", "application/logout+jwt", "secevent+jwt", "dpop+jwt"):
        assert _status(api, provider.token("rsa", typ=typ)) == 401, typ
    for accepted in ("at+jwt", "application/at+jwt", None):
        assert _status(api, provider.token("rsa", typ=accepted)) == 200, accepted
    with pytest.raises(HubError, match="HUB_JWT_ISSUER"):
        auth.make_verifier(Settings(jwks_url=provider.url))


def test_a_subject_that_is_no_profile_leaves_the_verified_email_to_name_the_person(
    api: Api, provider: IdentityProvider
) -> None:
    for sub in (str(uuid4()), "auth0|somebody", None, 7):
        by_email = api.new_client(Authorization=f"Bearer {provider.token('rsa', sub=sub)}")
        if sub == 7:  # RFC 7519 section 4.1.2: a subject is a text
            assert by_email.get("/v1/keys").status_code == 401
            continue
        created = by_email.post("/v1/keys", json={"name": "Mine"})
        assert created.json()["profile_id"] == str(NORTH.client), sub
        for claims in ({"email_verified": False}, {"email_verified": None}, {"email": None}):
            assert _status(api, provider.token("rsa", sub=sub, **claims)) == 401, (sub, claims)
    by_id = provider.token("rsa", sub=str(NORTH.provider), email="client@north.example")
    created = api.new_client(Authorization=f"Bearer {by_id}").post("/v1/keys", json={"name": "Theirs"})
    assert created.json()["profile_id"] == str(NORTH.provider)


def test_no_token_chooses_its_verification(api: Api, provider: IdentityProvider) -> None:
    public = provider.keys["rsa"].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"kid": "rsa"}
    by_public_key = jwt.api_jws.PyJWS(algorithms=["HS256"])
    hs256 = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    hs256.prepare_key = lambda key: key  # type: ignore[method-assign, assignment, return-value]  # PyJWT refuses this key
    by_public_key.unregister_algorithm("HS256")
    by_public_key.register_algorithm("HS256", hs256)
    confused = by_public_key.encode(json.dumps(_claims()).encode(), pem, "HS256", header)
    of_the_other_key = jwt.encode(_claims(), provider.keys["rsa"], "RS256", {"kid": "ec"})
    for token in (
        confused,
        of_the_other_key,
        jwt.encode(_claims(), None, "none", header),  # type: ignore[arg-type]
        jwt.encode(_claims(), provider.keys["rsa"], "RS512", header),
        jwt.encode(_claims(), provider.keys["rsa"], "PS256", header),
        jwt.encode(_claims(), provider.keys["rsa"], "RS256"),  # no key id
        token_of(NORTH, "client"),  # signed with HUB_JWT_SECRET, which is not accepted with JWKS
    ):
        assert _status(api, token) == 401, jwt.get_unverified_header(token)


def test_keys_of_other_types_are_not_accepted(api: Api, provider: IdentityProvider) -> None:
    secret = b"a secret that somebody published"
    shared = json.loads(jwt.algorithms.HMACAlgorithm.to_jwk(secret.decode())) | {"kid": "oct", "alg": "HS256"}
    stronger = ec.generate_private_key(ec.SECP384R1())
    provider.more = [
        shared,
        json.loads(jwt.algorithms.ECAlgorithm.to_jwk(stronger.public_key())) | {"kid": "p384"},
        provider.public("rsa") | {"kid": "encryption", "use": "enc"},
    ]
    assert _status(api, jwt.encode(_claims(), secret, "HS256", {"kid": "oct"})) == 401
    assert _status(api, jwt.encode(_claims(), stronger, "ES384", {"kid": "p384"})) == 401
    assert _status(api, jwt.encode(_claims(), provider.keys["rsa"], "RS256", {"kid": "encryption"})) == 401


def test_a_new_key_is_fetched_and_unknown_keys_cause_no_repeated_fetches(
    api: Api, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _status(api, provider.token("rsa")) == 200
    provider.keys["new"] = ec.generate_private_key(ec.SECP256R1())
    assert _status(api, provider.token("new")) == 401  # within the pause
    assert provider.fetches == 1
    monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + auth.JWKS_PAUSE_S + 1)
    assert _status(api, provider.token("new")) == 200
    assert provider.fetches == 2
    stranger = ec.generate_private_key(ec.SECP256R1())
    for number in range(20):
        assert _status(api, jwt.encode(_claims(), stranger, "ES256", {"kid": f"unknown-{number}"})) == 401
    assert provider.fetches == 2


def test_a_failing_identity_provider_gives_503(api: Api, provider: IdentityProvider) -> None:
    provider.fails = True
    client = api.new_client(Authorization=f"Bearer {provider.token('rsa')}")
    for _ in range(3):
        answer = client.get("/v1/keys")
        assert (answer.status_code, answer.json()["code"]) == (503, "identity_provider_unavailable")
        assert "Retry-After" in answer.headers
    assert provider.fetches == 1
