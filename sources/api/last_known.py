"""The figures that were last known, of each caller, for when the database is slow."""

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
DEAR_S: Final = 0.05  # figures that took longer are given again for a while
REUSED_TIMES: Final = 10  # for so many times as long as they took: they cost the database a tenth of its time at most


@dataclass(frozen=True, slots=True)
class _Known(Generic[M]):
    figures: M
    at: float  # of time.monotonic
    took_s: float


class LastKnown(Generic[M]):
    """Keeps what each caller was last told, for an hour, in the memory of this process."""

    def __init__(self) -> None:
        self._known: OrderedDict[Identity, _Known[M]] = OrderedDict()
        self._late: dict[Identity, asyncio.Task[M]] = {}

    async def get(self, identity: Identity, read: Callable[[], Awaitable[M]], *, patience_s: float) -> tuple[M, bool]:
        """What `read` returns, and False; or what it last returned to `identity`, and True, where it is unavailable or
        takes longer than `patience_s`: it then goes on by itself, and nobody asks again until it is done.

        Figures that were dear to make are given again for a moment. Raises Refusal unavailable where nothing is known.
        """
        began = time.monotonic()
        known = self._known.get(identity)
        if known and began - known.at > KEPT_S:
            known = None
        if known and known.took_s > DEAR_S and began - known.at < known.took_s * REUSED_TIMES:
            return known.figures, False
        if known and identity in self._late:
            return known.figures, True
        task = asyncio.create_task(self._read(identity, read))
        task.add_done_callback(lambda it: it.cancelled() or it.exception())  # seen, also where nobody waits any more
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
        began = time.monotonic()
        figures = await read()
        now = time.monotonic()
        self._known[identity] = _Known(figures, now, now - began)
        self._known.move_to_end(identity)
        if len(self._known) > CALLERS_MAX:
            self._known.popitem(last=False)
        return figures
