"""Authentication: a bearer token (JWT, RFC 7519) or an API key, checked before anything else."""

import asyncio
import hashlib
import time
from typing import Any, Final, Protocol
from uuid import UUID

import jwt
from cachetools import TTLCache
from fastapi import HTTPException, Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase

from sources.api import rate_limits
from sources.errors import HubError
from sources.operations.errors import Refusal
from sources.operations.transaction import Identity, Key, Person
from sources.settings import Settings

LEEWAY_S: Final = 30  # for differences between clocks
REQUIRED: Final = ["exp", "aud", "org_id"]
VERIFIED_S: Final = 30
VERIFIED_MAX: Final = 10_000  # tokens in the cache
JWKS_ALGORITHMS: Final = ("RS256", "ES256")
# RFC 9068 section 2.1, and the type that most providers give. A logout token is `logout+jwt`, or just has `events`
# (OpenID Connect Back-Channel Logout 1.0, section 2.4). Keycloak names its types in the claim `typ`. An ID token may
# have the hash of an access token or of a code (OpenID Connect Core 1.0, section 3.3.2.11), and no other type.
ACCESS_TYPES: Final = ("jwt", "at+jwt")
OTHER_CLAIMS: Final = frozenset({"events", "at_hash", "c_hash"})
JWKS_KEPT_S: Final = 300
JWKS_PAUSE_S: Final = 10  # between two fetches for unknown keys, and after a fetch that failed
JWKS_TIMEOUT_S: Final = 5

# The two authentication schemes in the OpenAPI document; one of them is enough.
SCHEMES: Final = {
    "HTTPBearer": {
        "type": "http", "scheme": "bearer", "description": "A JWT with org_id, and sub (a profile id) or email.",
    },
    "APIKeyHeader": {
        "type": "apiKey", "in": "header", "name": "X-API-Key",
        "description": "A key of POST /v1/keys, limited to its scopes.",
    },
}  # fmt: skip


class Verifier(Protocol):
    """Verifies the signature and the claims of a token and returns the claims. Raises jwt.PyJWTError."""

    async def __call__(self, token: str) -> dict[str, Any]: ...


def make_verifier(settings: Settings) -> Verifier:
    """Return the verifier: by JWKS where HUB_JWKS_URL is set (RS256, ES256), else by HUB_JWT_SECRET (HS256).

    Never both, so that no token can choose how it is verified.
    """
    return _cached(_by_jwks(settings) if settings.jwks_url else _by_secret(settings))


def _cached(verify: Verifier) -> Verifier:
    """Cache the claims of `verify` for VERIFIED_S: verification costs an eighth of reading a booking."""
    verified: TTLCache[str, dict[str, Any]] = TTLCache(VERIFIED_MAX, VERIFIED_S)

    async def verify_cached(token: str) -> dict[str, Any]:
        claims = verified.get(token)
        if claims is None or claims["exp"] <= time.time() - LEEWAY_S:
            claims = verified[token] = await verify(token)
        return claims

    return verify_cached


def _by_secret(settings: Settings) -> Verifier:
    secret = settings.secret("jwt_secret")

    async def verify(token: str) -> dict[str, Any]:
        return _claims(token, secret, "HS256", settings)

    return verify


def _by_jwks(settings: Settings) -> Verifier:
    if not settings.jwt_issuer:
        raise HubError("HUB_JWKS_URL needs HUB_JWT_ISSUER: the `iss` of the tokens of the identity provider.")
    client = jwt.PyJWKClient(
        settings.jwks_url, lifespan=JWKS_KEPT_S, cooldown_duration=JWKS_PAUSE_S, timeout=JWKS_TIMEOUT_S
    )
    one_at_a_time = asyncio.Lock()
    failed_at = -float(JWKS_PAUSE_S)

    async def key_of(key_id: str) -> jwt.PyJWK:
        nonlocal failed_at
        if key := _cached_key(client, key_id):
            return key
        async with one_at_a_time:
            if time.monotonic() - failed_at < JWKS_PAUSE_S:
                raise jwt.PyJWKClientConnectionError("the last fetch failed recently")
            try:
                return await asyncio.to_thread(client.get_signing_key, key_id)
            except jwt.PyJWKClientConnectionError:
                failed_at = time.monotonic()
                raise

    async def verify(token: str) -> dict[str, Any]:
        key = await key_of(str(jwt.get_unverified_header(token).get("kid")))
        if key.algorithm_name not in JWKS_ALGORITHMS:
            raise jwt.InvalidAlgorithmError("the algorithm of the key is not accepted")
        return _claims(token, key, key.algorithm_name, settings)  # the algorithm of the key, not that of the token

    return verify


def _cached_key(client: jwt.PyJWKClient, key_id: str) -> jwt.PyJWK | None:
    """Return the key, if it is in the cache."""
    key_set = client.jwk_set_cache.get() if client.jwk_set_cache else None
    keys = [key for key in key_set or () if key.public_key_use in ("sig", None)]
    return client.match_kid(keys, key_id)


def _claims(token: str, key: str | jwt.PyJWK, algorithm: str, settings: Settings) -> dict[str, Any]:
    """Return the verified claims of an access token: signature, times, audience, type and, if there is one, issuer."""
    required = [*REQUIRED, "iss"] if settings.jwks_url else REQUIRED
    decoded = jwt.decode_complete(
        token, key, [algorithm], audience=settings.jwt_audience, leeway=LEEWAY_S,
        issuer=settings.jwt_issuer if settings.jwks_url else None, options={"require": required},
    )  # fmt: skip
    claims: dict[str, Any] = decoded["payload"]
    header_type = str(decoded["header"].get("typ", "JWT")).lower().removeprefix("application/")
    if (
        header_type not in ACCESS_TYPES
        or claims.get("typ", "Bearer") != "Bearer"
        or not OTHER_CLAIMS.isdisjoint(claims)
    ):
        raise jwt.InvalidTokenError("not a token for access")
    return claims


class _Identify(SecurityBase):
    """Dependency that returns the identity of the request's credentials. Raises Refusal unauthenticated.

    FastAPI's own classes, one for each scheme, take a tenth of the time of reading a booking.
    """

    def __init__(self) -> None:
        self.model = HTTPBearerModel()
        self.scheme_name = "HTTPBearer"

    async def __call__(self, request: Request) -> Identity:
        identity = await _identity(request)
        wait = request.app.state.limits.count("caller", _name(identity))
        if wait is not None:
            raise HTTPException(429, rate_limits.DETAIL, {"Retry-After": str(wait)})
        return identity


identify = _Identify()


async def _identity(request: Request) -> Person | Key:
    api_key = request.headers.get("x-api-key")
    if api_key is not None:
        return Key(hashlib.sha256(api_key.encode()).digest())
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refusal("unauthenticated", "credentials_missing", "Send a bearer token, or an API key in X-API-Key.")
    try:
        claims = await request.app.state.verify(token)
        request.state.expires_at = claims["exp"]  # streams end at this time
        return person_of(claims, is_external=bool(request.app.state.settings.jwks_url))
    except jwt.ExpiredSignatureError:
        raise Refusal("unauthenticated", "token_expired", "The token has expired.") from None
    except jwt.PyJWKClientConnectionError:
        raise Refusal(
            "unavailable",
            "identity_provider_unavailable",
            "The keys of the identity provider cannot be read at the moment.",
        ) from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise Refusal("unauthenticated", "token_invalid", "The token is not valid.") from None


def person_of(claims: dict[str, Any], *, is_external: bool) -> Person:
    """Return the person of verified claims. Raises ValueError where they name none.

    The subject names a profile by its id. An identity provider has subjects of its own, often UUIDs: `is_external`, a
    subject that is no profile's id leaves the e-mail to name the person, if the provider says that it is verified.
    """
    if not isinstance(claims["org_id"], str):
        raise ValueError("not a token for an organisation")
    org_id, role = UUID(claims["org_id"]), claims.get("role")
    email = claims.get("email")
    is_verified = claims.get("email_verified", not is_external) in (True, "true")
    if not isinstance(email, str) or not email or "\0" in email or not is_verified:
        email = None
    try:
        profile_id = UUID(claims["sub"])
    except (KeyError, ValueError, AttributeError, TypeError):
        profile_id = None
    if profile_id is None and email is None:
        raise ValueError("neither sub nor email names a profile")
    return Person(org_id, profile_id, email if profile_id is None or is_external else None, role)


def _name(identity: Person | Key) -> str:
    match identity:
        case Person(org_id, profile_id, email):
            return f"{org_id}/{profile_id or email}"
        case Key(key_hash):
            return key_hash.hex()
