"""Wishes of several threads, granted in groups."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from bot.errors import DatabaseUnavailable
from bot.service.group_commit import GroupCommit
from tests.support.dsl import DEADLINE, wait_for

MOST = 8


class Bench:
    """Together with a grant that doubles numbers, keeps its groups, and holds up the first one until all have come."""

    def __init__(self, fault: Callable[[Sequence[int]], None] = lambda _: None) -> None:
        self.groups: list[list[int]] = []
        self._fault = fault
        self._all_came = threading.Event()
        self.together = GroupCommit(self._grant, per_item_errors=(ValueError,))

    def _grant(self, wishes: Sequence[int]) -> list[int]:
        self.groups.append(list(wishes))
        if len(self.groups) == 1:
            assert self._all_came.wait(DEADLINE)
        self._fault(wishes)
        return [2 * wish for wish in wishes]

    def run(self, count: int = MOST) -> list[Future[int]]:
        """Wishes for 0 alone, then for 1, 2 and so on while it is being granted, in this order."""
        with ThreadPoolExecutor(count) as pool:
            wished = []
            for number in range(count):
                wished.append(pool.submit(self.together.submit, number))
                came = (lambda: len(self.groups) == 1) if number == 0 else (lambda n=number: self.together.pending == n)
                wait_for(came)
            self._all_came.set()
        return wished


def test_what_comes_meanwhile_is_the_next_group() -> None:
    """Seven wishes that come while one is being granted are granted at once and in order, each with its own result."""
    bench = Bench()
    assert [one.result() for one in bench.run()] == [2 * number for number in range(MOST)]
    assert bench.groups == [[0], [1, 2, 3, 4, 5, 6, 7]]
    assert bench.together.submit(9) == 18


def test_a_wish_that_fails_fails_alone() -> None:
    """What is wrong with one wish of a group is raised to its own thread; the others are granted."""

    def fault(wishes: Sequence[int]) -> None:
        if 3 in wishes:
            raise ValueError

    bench = Bench(fault)
    wished = bench.run()
    assert [one.exception() is None for one in wished] == [number != 3 for number in range(MOST)]
    assert isinstance(wished[3].exception(), ValueError)
    assert sorted(bench.groups[2:]) == [[number] for number in range(1, MOST)]


def test_without_a_database_a_group_fails_as_one() -> None:
    """A database that does not answer is asked once for a group, all of whom learn it; the next wish asks anew."""

    def fault(wishes: Sequence[int]) -> None:
        if wishes[0] == 1:
            raise DatabaseUnavailable("away")

    bench = Bench(fault)
    wished = bench.run()
    assert wished[0].result() == 0
    for one in wished[1:]:
        with pytest.raises(DatabaseUnavailable):
            one.result()
    assert len(bench.groups) == 2
    assert bench.together.submit(9) == 18


def test_many_threads_get_their_own_results() -> None:
    """A thousand wishes of many threads are each granted once."""
    granted: list[int] = []

    def grant(wishes: Sequence[int]) -> list[int]:
        granted.extend(wishes)
        return [-wish for wish in wishes]

    together = GroupCommit(grant, per_item_errors=())
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(together.submit, range(1000))) == [-number for number in range(1000)]
    assert sorted(granted) == list(range(1000))
