"""Who calls: a bearer token (JWT, RFC 7519) or an API key, checked before anything else."""

import hashlib
from typing import Annotated, Any, Final, Protocol
from uuid import UUID

import jwt
from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from sources.operations.errors import Refusal
from sources.operations.transaction import Identity, Key, Person
from sources.settings import Settings

LEEWAY_S: Final = 30  # of clocks that differ
REQUIRED: Final = ["exp", "aud", "org_id"]

_bearer = HTTPBearer(auto_error=False, description="A JWT with org_id, and sub (a profile id) or email.")
_api_key = APIKeyHeader(name="X-API-Key", auto_error=False)


class Verifier(Protocol):
    """Checks a token's signature and claims; the claims, or jwt.PyJWTError."""

    async def __call__(self, token: str) -> dict[str, Any]: ...


def make_verifier(settings: Settings) -> Verifier:
    """By JWKS where HUB_JWKS_URL is set (RS256, ES256), else by HUB_JWT_SECRET (HS256): never both, so that no
    token can choose how it is verified."""
    secret = settings.secret("jwt_secret")

    async def by_secret(token: str) -> dict[str, Any]:
        return jwt.decode(
            token, secret, ["HS256"], audience=settings.jwt_audience, leeway=LEEWAY_S, options={"require": REQUIRED}
        )

    return by_secret


async def identify(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    api_key: Annotated[str | None, Depends(_api_key)],
) -> Identity:
    """The caller that the request's credentials name. Raises Refusal unauthenticated."""
    if api_key is not None:
        return Key(hashlib.sha256(api_key.encode()).digest())
    if bearer is None:
        raise Refusal("unauthenticated", "credentials_missing", "Send a bearer token, or an API key in X-API-Key.")
    try:
        claims = await request.app.state.verify(bearer.credentials)
        return person_of(claims)
    except jwt.ExpiredSignatureError:
        raise Refusal("unauthenticated", "token_expired", "The token has expired.") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise Refusal("unauthenticated", "token_invalid", "The token is not valid here.") from None


def person_of(claims: dict[str, Any]) -> Person:
    """The person whom verified claims name. Raises ValueError where they name none."""
    org_id, role = UUID(claims["org_id"]), claims.get("role")
    try:
        return Person(org_id, profile_id=UUID(claims["sub"]), role=role)
    except (KeyError, ValueError, AttributeError, TypeError):
        email = claims.get("email")  # of an identity provider, whose `sub` is its own
        if not isinstance(email, str) or not email:
            raise ValueError("neither sub nor email names a profile") from None
        return Person(org_id, email=email, role=role)
