"""Logs as lines of JSON, each with the id of its request, and without credentials, bodies or query strings."""

import logging
import traceback
from contextvars import ContextVar
from typing import Any, Final

# The id of the current request, in every task that serves it.
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# For logging.config.dictConfig, which uvicorn calls. The middleware logs requests, not uvicorn.
CONFIG: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request": {"()": "sources.api.logs.WithRequest"}},
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.orjson.OrjsonFormatter",
            "fmt": "%(levelname)s %(name)s %(message)s",
            "rename_fields": {"levelname": "level", "name": "logger"},
            "timestamp": True,
        }
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
            "formatter": "json",
            "filters": ["request"],
        }
    },
    "root": {"level": "INFO", "handlers": ["stderr"]},
}


class WithRequest(logging.Filter):
    """Adds the id of the request to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        return True


def describe_error(error: BaseException) -> dict[str, object]:
    """Return the loggable parts of an error: its type and traceback. Its message may contain request data."""
    return {"error": type(error).__name__, "trace": traceback.format_tb(error.__traceback__)[-12:]}
