"""How Feishu pushes events: at least once, in no order, again after 15 s, 5 min, 1 h and 6 h without a good answer.

https://open.feishu.cn/document/server-docs/event-subscription-guide/overview
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import httpx

from bot.sandbox.feishu.changes import Changes
from bot.sandbox.feishu.crypto import seal
from bot.sandbox.feishu.events import Event, renamed
from bot.sandbox.tls import shared_tls

Outcome = Literal["acknowledged", "refused", "late", "unreachable", "no address"]

Push = Callable[[Event, float], tuple[Outcome, int | None, bytes]]
"""Pushes an event and waits so many seconds for the answer; tells how it ended, its status and its body."""

_MOST_ATTEMPTS = 5000
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySchedule:
    """How events are pushed; seconds.

    ``ladder`` is the wait before each further attempt, multiplied by ``scale``. ``duplicates`` further copies come
    after a good answer, as the platform reserves the right to; ``new_event_id`` gives them an id of their own.
    ``in_parallel`` copies come at the same moment. With ``swapped`` every other event waits until the next one was
    answered.
    """

    connect_seconds: float = 2.0
    answer_seconds: float = 3.0
    challenge_seconds: float = 1.0
    ladder: tuple[float, ...] = (15.0, 300.0, 3600.0, 21600.0)
    scale: float = 1.0
    duplicates: int = 0
    new_event_id: bool = False
    in_parallel: int = 1
    swapped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One push: when (seconds since 1970), how it ended, and how long that took.

    ``number`` counts from 1; ``last`` tells that no further one follows after a failure. ``event`` is what was
    sealed, without the verification token and without the one with which a card action's card can be changed.
    """

    at: float
    event_id: str
    event_type: str
    number: int
    outcome: Outcome
    status: int | None
    seconds: float
    body: bytes = b""
    event: Event = field(default_factory=dict)
    last: bool = False


class EventPusher:
    """Pushes events to the bot; what it is told to deliver goes out in threads of its own."""

    def __init__(
        self, *, encrypt_key: str | None, clock: Callable[[], float], delivery: RetrySchedule, changes: Changes
    ) -> None:
        self.address: str | None = None
        self.attempts: deque[Attempt] = deque(maxlen=_MOST_ATTEMPTS)
        self._encrypt_key = encrypt_key
        self._clock = clock
        self._delivery = delivery
        self._changes = changes
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._held: Event | None = None
        self._threads: list[threading.Thread] = []
        limits = httpx.Limits(max_connections=None)
        self._client = httpx.Client(trust_env=False, verify=shared_tls(), limits=limits)
        self._over: Push | None = None

    @property
    def delivery(self) -> RetrySchedule:
        """How events are pushed from now on; an event that was held back goes out when this changes."""
        return self._delivery

    @delivery.setter
    def delivery(self, delivery: RetrySchedule) -> None:
        with self._lock:
            self._delivery = delivery
            held, self._held = self._held, None
        if held is not None:
            self._start(held)

    def push_over(self, push: Push) -> None:
        """Pushes in another way from now on than by posting to the address."""
        self._over = push

    def deliver(self, event: Event) -> None:
        """Pushes an event until it is answered or the ladder ends, without waiting for it."""
        with self._lock:
            if self._delivery.swapped and self._held is None:
                self._held = event
                return
            held, self._held = self._held, None
        self._start(event, held) if held else self._start(event)

    def push(self, event: Event, *, number: int = 1, seconds: float | None = None, signed: bool = True) -> Attempt:
        """Pushes once and waits for the answer, at most ``seconds`` (3 s when not told)."""
        allowed = seconds or self._delivery.answer_seconds
        at, began = self._clock(), time.perf_counter()
        post = self._over or partial(self._post, signed=signed)
        outcome, status, answer = post(event, allowed)
        attempt = Attempt(
            at=at,
            event_id=event.get("header", {}).get("event_id", ""),
            event_type=event.get("header", {}).get("event_type") or event.get("type", ""),
            number=number,
            outcome=outcome,
            status=status,
            seconds=time.perf_counter() - began,
            body=answer,
            event=_without_token(event),
            last=outcome != "acknowledged" and number > len(self._delivery.ladder),
        )
        self.attempts.append(attempt)
        self._changes.publish("delivery", attempt)
        return attempt

    def push_together(self, event: Event, *, times: int) -> list[Attempt]:
        """Pushes ``times`` copies at the same moment and waits for all answers."""
        attempts: list[Attempt] = []
        together = threading.Barrier(times)

        def push() -> None:
            together.wait()
            attempts.append(self.push(event))

        threads = [threading.Thread(target=push, daemon=True) for _ in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return attempts

    def close(self) -> None:
        """Gives up what is still to be delivered; a push that is under way is waited for."""
        self._closing.set()
        for thread in list(self._threads):
            thread.join(self._delivery.answer_seconds)
        self._client.close()

    def _start(self, *events: Event) -> None:
        thread = threading.Thread(target=self._deliver_all, args=(events,), name="delivery", daemon=True)
        with self._lock:
            self._threads = [known for known in self._threads if known.is_alive()]
            thread.start()
            self._threads.append(thread)

    def _deliver_all(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self._deliver(event)

    def _deliver(self, event: Event) -> None:
        delivery = self._delivery
        if delivery.in_parallel > 1:
            outcomes = {attempt.outcome for attempt in self.push_together(event, times=delivery.in_parallel)}
            good = "acknowledged" in outcomes
        else:
            good = self.push(event).outcome == "acknowledged"
        for number, wait in enumerate(delivery.ladder, start=2):
            if good or self._closing.wait(wait * delivery.scale):
                break
            good = self.push(event, number=number).outcome == "acknowledged"
        for _ in range(delivery.duplicates if good else 0):
            self.push(renamed(event) if delivery.new_event_id else event)

    def _post(self, event: Event, allowed: float, *, signed: bool) -> tuple[Outcome, int | None, bytes]:
        if self.address is None or self._closing.is_set():
            return "no address", None, b""
        body, headers = seal(event, encrypt_key=self._encrypt_key, now=self._clock(), signed=signed)
        timeout = httpx.Timeout(allowed, connect=min(allowed, self._delivery.connect_seconds))
        began = time.perf_counter()
        try:
            answer = self._client.post(self.address, content=body, headers=headers, timeout=timeout)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return "unreachable", None, b""
        except httpx.TimeoutException:
            return "late", None, b""
        except httpx.HTTPError:
            return "refused", None, b""
        if time.perf_counter() - began > allowed:
            return "late", answer.status_code, b""
        return ("acknowledged" if answer.status_code == _OK else "refused"), answer.status_code, answer.content


def _without_token(event: Event) -> Event:
    masked = {**event, "token": "***"} if "token" in event else dict(event)
    for part in ("header", "event"):
        if "token" in event.get(part, {}):
            masked[part] = {**event[part], "token": "***"}
    return masked
