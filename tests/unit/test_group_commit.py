"""Items of several threads, committed in groups."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from bot.errors import DatabaseUnavailable
from bot.service.group_commit import GroupCommit
from tests.support.dsl import DEADLINE, wait_for

Groups = tuple[GroupCommit[int, int], list[list[int]], list[Future[int]]]


def grouped(check: Callable[[Sequence[int]], object] = len) -> Groups:
    """Commits 0, and submits 1 to 7 meanwhile in this order; gives what commits, its groups and the results.

    A commit doubles its numbers, unless ``check`` raises.
    """
    groups: list[list[int]] = []
    all_came = threading.Event()

    def commit(items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        assert all_came.wait(DEADLINE)
        check(items)
        return [2 * item for item in items]

    group = GroupCommit(commit)
    with ThreadPoolExecutor(8) as pool:
        submitted = []
        for number in range(8):
            submitted.append(pool.submit(group.submit, number))
            wait_for(lambda number=number: groups and group.pending == number)  # type: ignore[misc]
        all_came.set()
    return group, groups, submitted


def test_items_submitted_during_a_commit_are_the_next_group() -> None:
    """At once and in order, each with its own result, of however many threads."""
    group, groups, submitted = grouped()
    assert [one.result() for one in submitted] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert groups == [[0], [1, 2, 3, 4, 5, 6, 7]]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(group.submit, range(1000))) == [2 * number for number in range(1000)]
    assert sorted(item for group in groups[2:] for item in group) == list(range(1000))


def test_an_item_that_fails_fails_alone() -> None:
    def fail(items: Sequence[int]) -> None:
        if 3 in items:
            raise ValueError

    _, groups, submitted = grouped(fail)
    assert [type(one.exception()) for one in submitted] == [type(None)] * 3 + [ValueError] + [type(None)] * 4
    assert sorted(groups[2:]) == [[1], [2], [3], [4], [5], [6], [7]]


def test_without_a_database_a_group_fails_as_one() -> None:
    def fail(items: Sequence[int]) -> None:
        if items[0] == 1:
            raise DatabaseUnavailable("away")

    group, groups, submitted = grouped(fail)
    assert submitted[0].result() == 0
    for one in submitted[1:]:
        with pytest.raises(DatabaseUnavailable):
            one.result()
    assert len(groups) == 2
    assert group.submit(9) == 18
