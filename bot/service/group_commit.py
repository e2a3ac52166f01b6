"""What several threads want at the same moment, done in one go by one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from bot.errors import DatabaseUnavailable

Wish = TypeVar("Wish")
Result = TypeVar("Result")


class GroupCommit(Generic[Wish, Result]):
    """Grants wishes in groups: what comes while one group is being granted is the next group.

    A transaction's commit waits for the disk, and costs one message as much as twenty. A thread that comes alone grants
    its own wish at once; while it does so, the others gather, and the first of them then grants all of theirs.

    Args:
        grant: grants a group, in the order in which the wishes came; all of it, or none of it when it raises.
        of_one: what it raises for something about one of the wishes. Then each thread grants its own alone, so that no
            wish fails for another. ``StoreUnavailable`` is for the whole group.
    """

    def __init__(
        self, grant: Callable[[Sequence[Wish]], Sequence[Result]], *, of_one: tuple[type[Exception], ...]
    ) -> None:
        self._grant = grant
        self._of_one = of_one
        self._lock = threading.Lock()
        self._gathered: list[_Place[Wish, Result]] = []
        self._granting = False

    @property
    def gathered(self) -> int:
        """How many wishes wait for the next group."""
        with self._lock:
            return len(self._gathered)

    def do(self, wish: Wish) -> Result:
        """Grants a wish, alone or with those of other threads; raises what its granting raised."""
        place = _Place[Wish, Result](wish)
        with self._lock:
            self._gathered.append(place)
            waits, self._granting = self._granting, True
        if waits:
            place.turn.wait()
        if not place.taken:
            self._lead()
        if place.fault is not None:
            raise place.fault
        return place.results[0] if place.results else self._grant([wish])[0]

    def _lead(self) -> None:
        """Grants what has gathered, the own wish among it, then lets the next group be granted."""
        with self._lock:
            group, self._gathered = self._gathered, []
        for place in group:
            place.taken = True
        try:
            self._settle(group)
        finally:
            with self._lock:
                self._granting = bool(self._gathered)
                following = self._gathered[:1]
            for place in [*following, *group]:
                place.turn.set()

    def _settle(self, group: Sequence[_Place[Wish, Result]]) -> None:
        try:
            results = self._grant([place.wish for place in group])
        except DatabaseUnavailable as fault:
            with self._lock:
                # Who came meanwhile has waited already, and would wait as long again.
                gathered, self._gathered = self._gathered, []
            for place in [*group, *gathered]:
                place.taken, place.fault = True, fault
                place.turn.set()
        except self._of_one:
            if len(group) == 1:
                raise
        else:
            for place, result in zip(group, results, strict=True):
                place.results.append(result)


class _Place(Generic[Wish, Result]):
    """A wish, and what came of it: a result, a fault, or neither where its group failed for one of the others."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.turn = threading.Event()
        self.taken = False
        self.results: list[Result] = []
        self.fault: DatabaseUnavailable | None = None
