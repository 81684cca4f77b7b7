"""The API's application: for now whether it lives, and whether it can work."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from sources import database
from sources.settings import get_settings


class Health(BaseModel):
    """What a probe is told."""

    status: Literal["ok", "unavailable"]
    detail: str = ""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One pool of connections as long as the application lives."""
    app.state.engine = database.make_engine(get_settings())
    yield
    app.state.engine.dispose()


app = FastAPI(title="Business Services Hub", version="0.1.0", lifespan=lifespan)


@app.get("/healthz")
def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@app.get("/readyz", responses={503: {"model": Health}})
def readyz(request: Request, response: Response) -> Health:
    """The process can work: its database answers."""
    try:
        with request.app.state.engine.connect() as connection:
            connection.execute(text("select 1"))
    except SQLAlchemyError:
        response.status_code = 503
        return Health(status="unavailable", detail="The database does not answer.")
    return Health(status="ok")
