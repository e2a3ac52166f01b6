"""Items of several threads, committed in groups."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from bot.errors import DatabaseUnavailable
from bot.service.group_commit import GroupCommit
from tests.support.dsl import DEADLINE, wait_for

MOST = 8


class GroupCommitHarness:
    """A commit that doubles numbers, records its groups, and blocks the first one until all items are submitted."""

    def __init__(self, fail: Callable[[Sequence[int]], None] = lambda _: None) -> None:
        self.groups: list[list[int]] = []
        self._fail = fail
        self._all_came = threading.Event()
        self.group = GroupCommit(self._commit)

    def _commit(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        if len(self.groups) == 1:
            assert self._all_came.wait(DEADLINE)
        self._fail(items)
        return [2 * item for item in items]

    def run(self, count: int = MOST) -> list[Future[int]]:
        """Submits 0 alone, then 1, 2 and so on while it is being committed, in this order."""
        with ThreadPoolExecutor(count) as pool:
            submitted = []
            for number in range(count):
                submitted.append(pool.submit(self.group.submit, number))
                came = (lambda: len(self.groups) == 1) if number == 0 else (lambda n=number: self.group.pending == n)
                wait_for(came)
            self._all_came.set()
        return submitted


def test_items_submitted_during_a_commit_are_the_next_group() -> None:
    """At once and in order, each with its own result, of however many threads."""
    harness = GroupCommitHarness()
    assert [one.result() for one in harness.run()] == [2 * number for number in range(MOST)]
    assert harness.groups == [[0], [1, 2, 3, 4, 5, 6, 7]]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(harness.group.submit, range(1000))) == [2 * number for number in range(1000)]
    assert sorted(item for group in harness.groups[2:] for item in group) == list(range(1000))


def test_an_item_that_fails_fails_alone() -> None:
    def fail(items: Sequence[int]) -> None:
        if 3 in items:
            raise ValueError

    harness = GroupCommitHarness(fail)
    submitted = harness.run()
    assert [one.exception() is None for one in submitted] == [number != 3 for number in range(MOST)]
    assert isinstance(submitted[3].exception(), ValueError)
    assert sorted(harness.groups[2:]) == [[number] for number in range(1, MOST)]


def test_without_a_database_a_group_fails_as_one() -> None:
    def fail(items: Sequence[int]) -> None:
        if items[0] == 1:
            raise DatabaseUnavailable("away")

    harness = GroupCommitHarness(fail)
    submitted = harness.run()
    assert submitted[0].result() == 0
    for one in submitted[1:]:
        with pytest.raises(DatabaseUnavailable):
            one.result()
    assert len(harness.groups) == 2
    assert harness.group.submit(9) == 18
