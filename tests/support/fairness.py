"""The statement of fairness: while somebody waits, nobody else gets two slots between two of theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection


class Fairness:
    """Counts how often each of those who wait was passed by each other person since their own last turn."""

    def __init__(self) -> None:
        self._passed: dict[str, Counter[str]] = {}

    def serve(self, served: str, *, waiting: Collection[str]) -> None:
        """Somebody was given a slot, while these people went on waiting; fails when one of them was passed twice."""
        for user in set(waiting) - {served}:
            passed = self._passed.setdefault(user, Counter())
            passed[served] += 1
            assert passed[served] == 1, f"{user} was passed twice by {served}"
        self._passed = {user: passed for user, passed in self._passed.items() if user in waiting}
        self._passed[served] = Counter()
