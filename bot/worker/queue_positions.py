"""Queue positions: the fair order of the waiting generations, the estimated wait, and the cards that show them."""

from __future__ import annotations

import statistics
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.db.database import Database
from bot.db.generations import QueuedGeneration, queued_cards, read_queue
from bot.db.requests import MOST_PATCHES, mark_dirty

TYPICAL_SECONDS = {"glm-image": 35.0, "cogview-4": 15.0, "cogview-4-250304": 15.0, "cogview-3-flash": 10.0}
"""How long a call takes while none has been measured."""

UNKNOWN_SECONDS = 35.0
"""The same for a model that this version does not know."""

BUCKETS = (60.0, 180.0, 600.0)
"""An estimate is shown as under one, three or ten minutes, or as more."""

NEAR_FRONT = 3
"""The positions whose cards follow every change; farther back only the bucket of the estimate counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePosition:
    """The position of a request's first waiting generation."""

    ahead: int
    """Generations that get a slot before it, including those that hold one now."""
    wait_seconds: float
    done_seconds: float
    """The estimate until the last of them is made."""
    starts_next: bool
    """Whether a slot is free for it now, and nothing holds the queue up."""
    backing_off: bool
    count: int
    """How many generations of the request are waiting."""
    paused: bool
    """Whether an admin has paused the bot, so that no wait can be estimated."""

    @property
    def key(self) -> str:
        """What a card shows of it, in short: the number ahead, and the index of the estimate in :data:`BUCKETS`."""
        return f"{self.ahead} {sum(self.wait_seconds >= end for end in BUCKETS)}"


def fair_order(waiting: Sequence[QueuedGeneration], last_served: Mapping[str, float]) -> list[QueuedGeneration]:
    """The order in which the generations of one model get slots if nobody else comes.

    Those whose call was begun before come first. Within each group, the next one is always the oldest generation of
    the sender who was served least recently; senders who were never served come first, by arrival.
    """
    order: list[QueuedGeneration] = []
    # A sender who is served here was served later than anybody before.
    turns = {sender: (0, at) for sender, at in last_served.items()}
    for begun in (True, False):
        by_sender: dict[str, deque[QueuedGeneration]] = {}
        for one in sorted((one for one in waiting if one.begun is begun), key=lambda one: one.arrival):
            by_sender.setdefault(one.sender, deque()).append(one)
        senders = deque(
            sorted(by_sender, key=lambda sender: (turns.get(sender, (0, 0.0)), by_sender[sender][0].arrival))
        )
        while senders:
            sender = senders.popleft()
            order.append(by_sender[sender].popleft())
            turns[sender] = (1, len(order))
            if by_sender[sender]:
                senders.append(sender)
    return order


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueReader:
    """Reads the positions of each model's queue; ``slots`` are the calls of each model that may be in flight."""

    database: Database
    slots: Mapping[str, int]

    def positions(self, model: str) -> dict[str, QueuePosition]:
        """The position of each waiting request of a model, by its id and in their order, read now."""
        queue = read_queue(self.database, model)
        order = fair_order(queue.waiting, queue.last_served)
        counts = Counter(one.request_id for one in order)
        # A newer version makes the images of a model that this one does not know: here no slot is ever free.
        slots = self.slots.get(model, 0)
        typical = TYPICAL_SECONDS.get(model, UNKNOWN_SECONDS)
        seconds = statistics.median(queue.measured) if queue.measured else typical
        positions: dict[str, QueuePosition] = {}
        last = {one.request_id: ahead for ahead, one in enumerate(order, queue.running)}
        for ahead, one in enumerate(order, queue.running):
            if one.request_id not in positions:
                backing_off = one.due_at > queue.now
                positions[one.request_id] = QueuePosition(
                    ahead=ahead,
                    wait_seconds=ahead // max(slots, 1) * seconds,
                    done_seconds=(last[one.request_id] // max(slots, 1) + 1) * seconds,
                    starts_next=not queue.held and ahead < slots and not backing_off,
                    backing_off=backing_off,
                    count=counts[one.request_id],
                    paused=queue.paused,
                )
        return positions

    def order(self, model: str) -> list[QueuedGeneration]:
        """The waiting generations of a model in the order in which they get slots."""
        queue = read_queue(self.database, model)
        return fair_order(queue.waiting, queue.last_served)

    def refresh_cards(self) -> int:
        """Marks the cards whose position or estimate has changed as dirty; returns how many.

        A basic Feishu plan allows 10,000 to 50,000 calls a month, so a card is not patched at every change.
        """
        cards = queued_cards(self.database)
        positions = {model: self.positions(model) for model in {card.model for card in cards}}
        outdated = []
        for card in cards:
            if position := positions[card.model].get(card.request_id):
                shown, key = (card.shown_position or "").split(), position.key.split()
                changed = shown != key if position.ahead < NEAR_FRONT else shown[-1:] != key[-1:]
                # The change to "generating" and one patch per image are kept back.
                if changed and card.patch_count < MOST_PATCHES - 1 - position.count:
                    outdated.append(card.request_id)
        if outdated:
            with self.database.write(step="queue.mark_dirty") as connection:
                mark_dirty(connection, outdated)
        return len(outdated)
