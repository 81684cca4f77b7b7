"""Proofs with which the API enters the database as a person: SQL under its role cannot make one.

A proof is the HMAC-SHA256 of a message with a secret that the API has (HUB_API_ENTRY_SECRET). The database keeps what
verifies it in a table that hub_api cannot read. The message names the session of the database and the last challenge
of that session, so that a proof counts once.
"""

import hashlib
import hmac
from typing import Final
from uuid import UUID

BLOCK_BYTES: Final = hashlib.sha256().block_size


def keys(secret: str) -> tuple[bytes, bytes]:
    """Return the inner and the outer key of HMAC with `secret` (RFC 2104), for app.entry_keys."""
    key = _key(secret).ljust(BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key)


def proof(secret: str, pid: int, challenge: int, what: str) -> bytes:
    """Return the proof for `what` in the session of process `pid`, whose last challenge is `challenge`."""
    return hmac.digest(_key(secret), f"{pid}/{challenge}/{what}".encode(), "sha256")


def person(org_id: UUID, profile_id: UUID | None, email: str | None) -> str:
    """Return what app.enter checks: the person by profile, or by e-mail where there is no profile."""
    return f"person/{org_id}/{profile_id or ''}/{email or ''}"


def part(role: str, org_id: UUID | None) -> str:
    """Return what app.enter_as checks: a part of the Hub (system, live, sign_in)."""
    return f"{role}/{org_id or ''}"


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
