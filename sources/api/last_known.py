"""The last known figures of each caller, for times when the database is slow."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pydantic import BaseModel

from sources.operations.errors import Refusal
from sources.operations.transaction import Identity

M = TypeVar("M", bound=BaseModel)

CALLERS_MAX: Final = 2000
KEPT_S: Final = 3600.0
EXPENSIVE_S: Final = 0.05  # figures that took longer to read are reused
REUSED_TIMES: Final = 10  # for this many times their reading time: they take at most a tenth of the database's time


@dataclass(frozen=True, slots=True)
class _Known(Generic[M]):
    figures: M
    at: float  # of time.monotonic
    took_s: float


class LastKnown(Generic[M]):
    """Keeps the last figures of each caller for an hour, in the memory of this process."""

    def __init__(self) -> None:
        self._known: OrderedDict[Identity, _Known[M]] = OrderedDict()
        self._late: dict[Identity, asyncio.Task[M]] = {}
        self._forgotten = 0  # times

    def forget(self) -> None:
        """Forget all figures, also those that are being read: somebody who had access may have lost it."""
        self._known.clear()
        self._forgotten += 1

    async def get(self, identity: Identity, read: Callable[[], Awaitable[M]], *, patience_s: float) -> tuple[M, bool]:
        """Return the result of `read`, and False; or the last figures of `identity`, and True.

        The last figures are returned where `read` is unavailable or takes longer than `patience_s`; it then continues
        in the background, and is not started again until it ends. Figures that were expensive to read are reused for a
        while. Raises Refusal unavailable where no figures are known.
        """
        began = time.monotonic()
        known = self._known.get(identity)
        if known and began - known.at > KEPT_S:
            known = None
        if known and known.took_s > EXPENSIVE_S and began - known.at < known.took_s * REUSED_TIMES:
            return known.figures, False
        if known and identity in self._late:
            return known.figures, True
        task = asyncio.create_task(self._read(identity, read))
        task.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # retrieved, also where nobody awaits it
        await asyncio.wait({task}, timeout=patience_s if known else None)
        if known and not task.done():
            self._late[identity] = task
            task.add_done_callback(lambda _: self._late.pop(identity, None))
            return known.figures, True
        try:
            return await task, False
        except Refusal as refusal:
            if refusal.kind != "unavailable" or known is None:
                raise
            return known.figures, True

    async def _read(self, identity: Identity, read: Callable[[], Awaitable[M]]) -> M:
        began, forgotten = time.monotonic(), self._forgotten
        figures = await read()
        if forgotten != self._forgotten:
            return figures
        now = time.monotonic()
        self._known[identity] = _Known(figures, now, now - began)
        self._known.move_to_end(identity)
        if len(self._known) > CALLERS_MAX:
            self._known.popitem(last=False)
        return figures
