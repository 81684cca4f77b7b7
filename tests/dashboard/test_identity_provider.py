"""Sign-in by an identity provider: a local OpenID Connect server that checks what a real one checks."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from sources.settings import Settings
from tests.dashboard.conftest import Pages, pages_of
from tests.sources.business import NORTH, SOUTH
from tests.sources.conftest import seeded_settings

CLIENT_ID: Final = "hub"
ADMIN: Final = "admin@north.example"
SECRET: Final = "the secret of the client"


class Provider:
    """Authorizes everybody as `claims` say, and gives each code once, to the client that began with its verifier."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.other_key = rsa.generate_private_key(65537, 2048)
        self.claims: dict[str, object] = {}
        self.signs_with = self.key
        self.codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
                if path == "/authorize":
                    self.send_response(302)
                    self.send_header("Location", provider.authorize(query))
                    self.end_headers()
                    return
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(provider.key.public_key()))
                self.answer(
                    {
                        "/.well-known/openid-configuration": provider.metadata(),
                        "/jwks": {"keys": [public | {"kid": "one", "use": "sig", "alg": "RS256"}]},
                    }[path]
                )

            def do_POST(self) -> None:
                body = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                authorization = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
                known = provider.codes.pop(body["code"], None)
                challenge = hashlib.sha256(body.get("code_verifier", "").encode()).digest()
                shown = base64.urlsafe_b64encode(challenge).decode().rstrip("=")
                is_right = (
                    known is not None
                    and authorization == urlencode({"": CLIENT_ID})[1:] + ":" + SECRET
                    and known["code_challenge"] == shown
                    and known["redirect_uri"] == body["redirect_uri"]
                )
                if is_right and known:
                    self.answer({"access_token": "x", "token_type": "Bearer", "id_token": provider.token(known)})
                else:
                    self.answer({"error": "invalid_grant"}, 400)

            def answer(self, document: dict[str, Any], status: int = 200) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def metadata(self) -> dict[str, Any]:
        places = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/jwks"}
        return {"issuer": self.url, **{name: f"{self.url}{path}" for name, path in places.items()}}

    def authorize(self, query: dict[str, str]) -> str:
        assert query["client_id"] == CLIENT_ID
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, query: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url, "sub": "somebody", "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": query["nonce"],
            "email": ADMIN, "email_verified": True,
        } | self.claims  # fmt: skip
        given = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(given, self.signs_with, "RS256", {"kid": "one"})


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    it = Provider()
    yield it
    it.server.shutdown()
    it.server.server_close()


@pytest.fixture(scope="module")
def pages(seeded: str, tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Pages]:
    changes = {"jwt_issuer": provider.url, "oidc_client_id": CLIENT_ID, "oidc_client_secret": SecretStr(SECRET)}
    with (
        seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings,
        pages_of(settings.model_copy(update=changes)) as running,
    ):
        yield running


@pytest.fixture
def browser(pages: Pages, provider: Provider) -> Iterator[httpx.Client]:
    provider.claims, provider.signs_with = {}, provider.key
    with httpx.Client(base_url=pages.url, headers={"origin": pages.url}) as client:
        yield client


def callback(browser: httpx.Client, next_page: str = "/") -> str:
    """Begin a sign-in, and return the path to which the provider sends the browser back."""
    to_provider = browser.get("/sign-in/provider", params={"next": next_page})
    assert to_provider.status_code == 303, to_provider.text
    back = urlsplit(httpx.get(to_provider.headers["location"]).headers["location"])
    return f"{back.path}?{back.query}"


def is_signed_in(browser: httpx.Client) -> bool:
    return browser.get("/account").status_code == 200


def test_a_person_signs_in_and_comes_to_the_page_asked_for(browser: httpx.Client) -> None:
    assert "/sign-in/provider?next=/bookings" in browser.get("/sign-in?next=/bookings").text
    answer = browser.get(callback(browser, "/bookings"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/bookings"), answer.text
    assert is_signed_in(browser)
    assert browser.get("/settings").status_code == 200  # with the role that the Hub knows


def test_a_provider_may_say_that_the_owner_of_the_domain_is_verified(browser: httpx.Client, provider: Provider) -> None:
    provider.claims = {"email_verified": None, "xms_edov": True}
    assert browser.get(callback(browser)).status_code == 303


def test_a_page_of_another_site_is_not_led_to(browser: httpx.Client) -> None:
    assert browser.get(callback(browser, "//evil.example")).headers["location"] == "/"


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": False}, {"email_verified": None}, {"email": None}, {"aud": "another"}, {"nonce": "another"},
        {"iss": "https://evil.example"}, {"exp": 1}, {"azp": "another"}, {"email": "nobody@north.example"},
    ],
    ids=lambda claims: next(iter(claims.items())).__repr__(),
)  # fmt: skip
def test_another_answer_of_the_provider_signs_nobody_in(
    browser: httpx.Client, provider: Provider, claims: dict[str, object]
) -> None:
    provider.claims = claims
    answer = browser.get(callback(browser))
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert not is_signed_in(browser)


def test_a_token_signed_by_another_key_signs_nobody_in(browser: httpx.Client, provider: Provider) -> None:
    provider.signs_with = provider.other_key
    assert browser.get(callback(browser)).status_code == 403
    assert not is_signed_in(browser)


def test_an_answer_counts_once_and_in_the_browser_that_began(pages: Pages, browser: httpx.Client) -> None:
    path = callback(browser)
    with httpx.Client(base_url=pages.url) as foreign:
        assert foreign.get(path).status_code == 403
        callback(foreign)
        assert foreign.get(path).status_code == 403  # the state of another sign-in
        assert not is_signed_in(foreign)
    cookies = dict(browser.cookies)
    assert browser.get(path).status_code == 303
    with httpx.Client(base_url=pages.url, cookies=cookies) as again:
        assert again.get(path).status_code == 403
        assert not is_signed_in(again)


def test_a_person_of_two_organisations_chooses_one(pages: Pages, browser: httpx.Client, provider: Provider) -> None:
    address = "both@example.com"
    with psycopg.connect(pages.settings.database_url) as connection:
        for org_id in (NORTH.id, SOUTH.id):
            connection.execute(
                "insert into app.profiles (org_id, role, full_name, email) values (%s, 'admin', 'Bo', %s)",
                [org_id, address],
            )
    provider.claims = {"email": "Both@example.com"}
    page = browser.get(callback(browser, "/account")).text
    assert page.count("<form") == 2
    [_, link] = [part.split('"')[0] for part in page.split('name="link" value="')[1:]]
    answer = browser.post("/sign-in", data={"link": link, "next": "/account"})
    assert answer.headers["location"] == "/account"
    assert is_signed_in(browser)


def test_a_provider_that_refuses_is_told(browser: httpx.Client) -> None:
    query = parse_qs(urlsplit(callback(browser)).query)
    answer = browser.get("/sign-in/provider/callback", params={"state": query["state"][0], "error": "access_denied"})
    assert answer.status_code == 403
    assert "access_denied" in answer.text


def test_a_client_needs_an_issuer() -> None:
    with pytest.raises(ValueError, match="HUB_JWT_ISSUER"):
        Settings(oidc_client_id="hub")
