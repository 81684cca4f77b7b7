"""Sign-in by an identity provider: the authorization code flow of OpenID Connect Core 1.0 with PKCE (RFC 7636).

The provider says whose address it verified; who has that address in the Hub, and with which role, the Hub knows.
"""

import asyncio
import json
import secrets
from dataclasses import asdict, dataclass
from typing import Any, Final

import httpx
import jwt
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from sources.api.auth import JWKS_ALGORITHMS, JWKS_TIMEOUT_S, LEEWAY_S
from sources.operations.errors import Refusal
from sources.settings import Settings

START_PATH: Final = "/sign-in/provider"
CALLBACK_PATH: Final = "/sign-in/provider/callback"
MINUTES: Final = 10  # for the person at the pages of the provider
TIMEOUT_S: Final = 10.0
SCOPE: Final = "openid email"
# The second is that of Microsoft Entra ID: the owner of the domain of the address is verified.
VERIFIED: Final = ("email_verified", "xms_edov")
REQUIRED: Final = ("iss", "sub", "aud", "exp", "iat", "nonce")


@dataclass(frozen=True, slots=True)
class Started:
    """What the browser keeps while its person is at the pages of the provider."""

    state: str
    nonce: str
    verifier: str
    next_page: str

    def to_cookie(self) -> str:
        """Return the value of the cookie."""
        return json.dumps(asdict(self)).encode().hex()


def started_of(cookie: str) -> Started | None:
    """Return what `Started.to_cookie` wrote; None where it is missing or no such value."""
    try:
        return Started(**json.loads(bytes.fromhex(cookie)))
    except (ValueError, TypeError):
        return None


async def begin(settings: Settings, next_page: str) -> tuple[str, Started]:
    """Return the address at the provider to send the browser to, and what it has to keep. Raises Refusal."""
    known = await _metadata(settings)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    started = Started(state, nonce, verifier, next_page)
    with _client(settings) as client:
        address, _ = client.create_authorization_url(
            known["authorization_endpoint"], state=started.state, nonce=started.nonce, code_verifier=started.verifier
        )
    return str(address), started


async def verified_address(settings: Settings, started: Started, code: str) -> str:
    """Return the e-mail address that the provider verified, for a code that it gave. Raises Refusal."""
    known = await _metadata(settings)
    try:
        token = await asyncio.to_thread(_id_token, settings, known, code, started.verifier)
        claims = await asyncio.to_thread(_claims, settings, known, token, started.nonce)
    except OAuthError as error:
        raise _refused(f"the identity provider did not accept the sign-in ({error.error})") from None
    except (requests.RequestException, jwt.PyJWKClientConnectionError) as error:
        raise _unavailable() from error
    except jwt.PyJWTError:
        raise _refused("the answer of the identity provider is not valid") from None
    address = claims.get("email")
    if not isinstance(address, str) or not any(claims.get(name) in (True, "true", "1") for name in VERIFIED):
        raise _refused("the identity provider does not say that your e-mail address is verified")
    return address


async def _metadata(settings: Settings) -> dict[str, Any]:
    """Return the provider's metadata (OpenID Connect Discovery 1.0, section 4). Raises Refusal unavailable."""
    issuer = settings.jwt_issuer.rstrip("/")
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            answer = await client.get(f"{issuer}/.well-known/openid-configuration")
            known: dict[str, Any] = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise _unavailable() from error
    if known.get("issuer") != settings.jwt_issuer:
        raise _refused("the identity provider names itself differently than HUB_JWT_ISSUER")
    return known


def _id_token(settings: Settings, known: dict[str, Any], code: str, verifier: str) -> str:
    with _client(settings) as client:
        tokens = client.fetch_token(
            known["token_endpoint"], code=code, code_verifier=verifier, timeout=TIMEOUT_S, allow_redirects=False
        )
    return str(tokens.get("id_token"))


def _client(settings: Settings) -> OAuth2Session:
    return OAuth2Session(
        settings.oidc_client_id,
        settings.oidc_client_secret.get_secret_value() or None,
        token_endpoint_auth_method="client_secret_basic" if settings.oidc_client_secret.get_secret_value() else "none",
        scope=SCOPE,
        redirect_uri=f"{settings.link_base}{CALLBACK_PATH}",
        code_challenge_method="S256",
    )


def _claims(settings: Settings, known: dict[str, Any], token: str, nonce: str) -> dict[str, Any]:
    """Return the claims of an ID token, checked as OpenID Connect Core 1.0, section 3.1.3.7 says. Raises PyJWTError."""
    key = jwt.PyJWKClient(known["jwks_uri"], timeout=JWKS_TIMEOUT_S).get_signing_key_from_jwt(token)
    if key.algorithm_name not in JWKS_ALGORITHMS:
        raise jwt.InvalidAlgorithmError("the algorithm of the key is not accepted")
    claims: dict[str, Any] = jwt.decode(
        token, key, [key.algorithm_name], audience=settings.oidc_client_id, issuer=settings.jwt_issuer,
        leeway=LEEWAY_S, options={"require": list(REQUIRED)},
    )  # fmt: skip
    if claims["nonce"] != nonce or claims.get("azp", settings.oidc_client_id) != settings.oidc_client_id:
        raise jwt.InvalidTokenError("a token of another sign-in")
    return claims


def _refused(reason: str) -> Refusal:
    return Refusal("forbidden", "sign_in_refused", f"You are not signed in: {reason}. Try again.")


def _unavailable() -> Refusal:
    return Refusal("unavailable", "identity_provider_unavailable", "The identity provider does not answer. Try again.")
