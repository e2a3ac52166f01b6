"""Publish and subscribe for whoever watches the stand-in: a page, a transcript, a test that waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

Kind = Literal["message", "card", "recall", "call", "delivery", "toast", "reaction"]

_MOST_WAITING = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that happened; ``subject`` is the frozen record of it, and ``at`` is in seconds since 1970."""

    kind: Kind
    at: float
    subject: Any


class Subscription:
    """The changes since it was made, oldest first; an iterator that ends when it or the stand-in is closed.

    A reader that falls more than ten thousand changes behind loses the oldest ones.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._waiting: deque[Change] = deque(maxlen=_MOST_WAITING)
        self._news = threading.Condition()
        self._closed = False

    def put(self, change: Change) -> None:
        """Adds a change."""
        with self._news:
            self._waiting.append(change)
            self._news.notify_all()

    def wait(self, seconds: float) -> Change | None:
        """The next change, or ``None`` when none came in time or the subscription is closed."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._closed, timeout=seconds)
            return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        """Ends the subscription; what waits can still be read."""
        self._changes.forget(self)
        with self._news:
            self._closed = True
            self._news.notify_all()

    def __iter__(self) -> Iterator[Change]:
        while (change := self.wait(threading.TIMEOUT_MAX)) is not None:
            yield change

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Changes:
    """Hands each change to every subscription; never waits for a reader."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._subscriptions: list[Subscription] = []

    def publish(self, kind: Kind, subject: Any) -> None:
        """Tells every subscription."""
        change = Change(kind=kind, at=self._clock(), subject=subject)
        with self._lock:
            readers = list(self._subscriptions)
        for reader in readers:
            reader.put(change)

    def subscribe(self) -> Subscription:
        """A subscription to all that happens from now on."""
        subscription = Subscription(self)
        with self._lock:
            self._subscriptions.append(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Drops a subscription."""
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)

    def close(self) -> None:
        """Ends every subscription."""
        with self._lock:
            readers = list(self._subscriptions)
        for reader in readers:
            reader.close()
