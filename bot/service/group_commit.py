"""Commits what several threads submit at the same moment in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bot.errors import DatabaseUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class _Entry(Generic[Item, Result]):
    """An item and its outcome: a result, an error, or neither where its group failed because of another item."""

    item: Item
    done: bool = False
    results: list[Result] = field(default_factory=list)
    error: DatabaseUnavailable | None = None


class GroupCommit(Generic[Item, Result]):
    """Commits items in groups: what is submitted while one group is being committed is the next group.

    A commit waits for the disk, and costs as much for one item as for twenty. ``commit`` commits all items of a group,
    in their order, or none of them when it raises. After one of the ``per_item_errors`` each thread commits its own
    item alone, so that no item fails because of another one. ``DatabaseUnavailable`` is raised to the whole group.
    """

    def __init__(
        self, commit: Callable[[Sequence[Item]], Sequence[Result]], *, per_item_errors: tuple[type[Exception], ...]
    ) -> None:
        self._commit = commit
        self._per_item_errors = per_item_errors
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._pending: list[_Entry[Item, Result]] = []

    @property
    def pending(self) -> int:
        """How many items wait for the next group."""
        return len(self._pending)

    def submit(self, item: Item) -> Result:
        """Commits an item, alone or with those of other threads; raises what committing it raised."""
        entry = _Entry[Item, Result](item)
        with self._lock:
            self._pending.append(entry)
        with self._turn:
            if not entry.done:
                self._commit_group()
        if entry.error is not None:
            raise entry.error
        return entry.results[0] if entry.results else self._commit([item])[0]

    def _commit_group(self) -> None:
        group = self._take_pending()
        try:
            results = self._commit([entry.item for entry in group])
            for entry, result in zip(group, results, strict=True):
                entry.results.append(result)
        except DatabaseUnavailable as error:
            # What was submitted meanwhile has waited already, and would wait as long again.
            group += self._take_pending()
            for entry in group:
                entry.error = error
        except self._per_item_errors:
            if len(group) == 1:
                raise
        finally:
            for entry in group:
                entry.done = True

    def _take_pending(self) -> list[_Entry[Item, Result]]:
        with self._lock:
            taken, self._pending = self._pending, []
        return taken
