"""Requests that wait are computed together: by steps, without a timer, on one thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from .limits import Limits, Refused

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class Waiting(Generic[Item]):
    """An item in the queue. size: in steps; key: items with equal keys are computed one after the other."""

    item: Item
    size: int
    key: Hashable
    answer: asyncio.Future = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batcher(Generic[Item, Result]):
    """While one batch is computed, further items wait; the next batch takes all that fit.

    run: takes the items of a batch, returns a result or an exception for each. most: steps of a batch.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], list[Result | Exception]],
        limits: Limits,
        worker: ThreadPoolExecutor,
        most: int,
    ) -> None:
        self._run, self._limits, self._worker, self._most = run, limits, worker, most
        self._queue: deque[Waiting[Item]] = deque()
        self._waiting_steps, self._task = 0, None

    @property
    def waiting_steps(self) -> int:
        """Of all items in the queue and in the batch that is computed."""
        return self._waiting_steps

    async def result(self, item: Item, size: int, key: Hashable = None) -> Result:
        """The item's result. Raises Refused where too much waits or the answer takes too long, and what run() gave."""
        if self._queue and self._waiting_steps + size > self._limits.waiting_steps:
            raise Refused(429, "busy", "too many steps wait to be computed; try again", {"Retry-After": "1"})
        waiting = Waiting(item, size, key)
        self._queue.append(waiting)
        self._waiting_steps += size
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        try:
            return await asyncio.wait_for(waiting.answer, self._limits.seconds)
        except TimeoutError as error:
            raise Refused(504, "timeout", f"no answer within {self._limits.seconds} s; send fewer steps") from error

    async def _work(self) -> None:
        while self._queue:
            batch = self._next()
            kept = [waiting for waiting in batch if not waiting.answer.done()]  # others gave up
            if kept:
                await self._compute(kept)
            self._waiting_steps -= sum(waiting.size for waiting in batch)

    def _next(self) -> list[Waiting[Item]]:
        """From the front of the queue, up to `most` steps, and each key once; what stays keeps its order."""
        batch, later, keys, n_steps = [], deque(), set(), 0
        while self._queue:
            waiting = self._queue.popleft()
            is_free = waiting.key is None or waiting.key not in keys
            if is_free and (not batch or n_steps + waiting.size <= self._most):
                batch.append(waiting)
                n_steps += waiting.size
            else:
                later.append(waiting)
            keys.add(waiting.key)
        self._queue = later
        return batch

    async def _compute(self, batch: list[Waiting[Item]]) -> None:
        items = [waiting.item for waiting in batch]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._worker, self._run, items)
        except Exception as error:
            results = [error for _ in batch]
        for waiting, result in zip(batch, results, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(result, Exception):
                waiting.answer.set_exception(result)
            else:
                waiting.answer.set_result(result)
