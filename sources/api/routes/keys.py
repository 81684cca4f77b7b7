"""Routes of API keys."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.problems import COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations import api_keys
from sources.operations.api_keys import CreatedKey, Keys, NewKey

router = APIRouter(prefix="/v1/keys", tags=["keys"], responses=COMMON)


@router.post("", status_code=201, response_model=CreatedKey, summary="Create an API key")
async def create_key(context: Reading, body: NewKey) -> Response:
    """For yourself; admins also for others. Only this response has the secret. It is the one write without
    Idempotency-Key, which would store the response; revoke a key whose secret was not received."""
    return reply(await context.run(lambda tx: api_keys.create_key(tx, body)), 201)


@router.get("", response_model=Keys, summary="List API keys")
async def list_keys(context: Reading) -> Response:
    """Your own; admins see those of the organisation."""
    return reply(await context.run(api_keys.list_keys))


@router.delete("/{key_id}", status_code=204, responses=WRITES, summary="Revoke an API key")
async def revoke_key(context: Writing, key_id: UUID) -> Response:
    """It is refused from now on."""
    return await context.write(lambda tx: api_keys.revoke_key(tx, key_id), status=204)
