"""Commits what several threads submit at the same moment in one transaction."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from bot.errors import DatabaseUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """Commits items in groups: what is submitted while one group is being committed is the next group.

    A commit waits for the disk, and costs as much for one item as for twenty. ``commit`` commits all items of a group,
    in their order, or none of them when it raises. Then each item is committed alone, so that none fails because of
    another one. ``DatabaseUnavailable`` is raised to the whole group.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Sequence[Result]]) -> None:
        self._commit = commit
        self._turn = threading.Lock()
        self._pending: deque[tuple[Item, Future[Result]]] = deque()

    @property
    def pending(self) -> int:
        return len(self._pending)

    def submit(self, item: Item) -> Result:
        """Commits an item, alone or with those of other threads; raises what committing it raised."""
        result: Future[Result] = Future()
        self._pending.append((item, result))
        with self._turn:
            if not result.done():
                self._commit_group(self._take_pending())
        return result.result()

    def _commit_group(self, group: Sequence[tuple[Item, Future[Result]]]) -> None:
        try:
            results = self._commit([item for item, _ in group])
        except DatabaseUnavailable as error:
            # What was submitted meanwhile has waited already, and would wait as long again.
            for _, future in [*group, *self._take_pending()]:
                future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - raised to the thread whose item it is
            if len(group) == 1:
                group[0][1].set_exception(error)
            else:
                for entry in group:
                    self._commit_group([entry])
        else:
            for (_, future), one in zip(group, results, strict=True):
                future.set_result(one)

    def _take_pending(self) -> list[tuple[Item, Future[Result]]]:
        return [self._pending.popleft() for _ in range(len(self._pending))]
