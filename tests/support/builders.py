"""Requests as tests put them into the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Executable, Table, func, select

from bot.chat.styles import Styles
from bot.db.database import Database
from bot.db.generations import GenerationStore
from bot.db.key_value import Preferences
from bot.db.requests import RequestStore
from bot.db.tables import Generation, NewRequest, Request, requests
from bot.models import GeneratedImage, ImagePrompt
from bot.options import Options
from bot.service.quotas import Limits
from bot.service.requests import RequestService, SubmitResult
from bot.settings import Budget, LimitSettings, config_folder
from bot.timings import BillingPeriods

LEASE = 15.0
EXPIRED = -1.0  # a lease that has run out when it begins, as that of a process that died

UNLIMITED = LimitSettings(per_minute=0, pending=0, waiting=0, per_day=0, images_per_month=0, yuan_per_month=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    limits: LimitSettings = UNLIMITED
    admins: frozenset[str] = frozenset()
    prices: dict[str, float] = field(default_factory=lambda: {"glm-image": 0.1, "cogview-4": 0.06})
    clock: Callable[[], float] = time.time
    budgets: Mapping[str, Budget] = field(default_factory=dict)


def limits_of(team: Team | None = None) -> Limits:
    team = team or Team()
    periods = BillingPeriods(zone=ZoneInfo("Asia/Shanghai"), clock=team.clock)
    return Limits(settings=team.limits, prices=team.prices, periods=periods, budgets=team.budgets)


def reception_of(database: Database, team: Team | None = None) -> RequestService:
    """What accepts arrivals for a test's team."""
    team = team or Team()
    return RequestService(
        database=database,
        limits=limits_of(team),
        preferences=Preferences(defaults=Options()),
        styles=Styles.load(config_folder({})),
        admins=team.admins,
        may_drop_watermark=False,
    )


def arrival(origin: str = "om_1", *, sender: str = "ou_ann", chat: str = "oc_1") -> NewRequest:
    """A message of somebody in a group."""
    return NewRequest(dedup_key=origin, chat_id=chat, chat_type="group", reply_to=origin, sender=sender)


def accept(
    database: Database,
    origin: str = "om_1",
    *,
    sender: str = "ou_ann",
    chat: str | None = None,
    model: str | None = None,
    count: int = 1,
    team: Team | None = None,
) -> SubmitResult:
    """Accepts a prompt, in a chat of its own unless one is named: a chat takes only a few messages a second."""
    ask = ImagePrompt(prompt="一只猫", options={"model": model, "count": count})
    return reception_of(database, team).submit(arrival(origin, sender=sender, chat=chat or f"oc_{origin}"), ask)


def claim(
    database: Database, *, owner: str = "me", lease: float = LEASE, slots: int = 1, deadline: float = 180
) -> Generation | None:
    """Takes a slot of GLM-Image for whoever is next."""
    store = GenerationStore(database, owner)
    waiting = store.next_waiting("glm-image")
    return store.claim_slot(waiting[0], lease=lease, slots=slots, deadline=deadline) if waiting else None


def claimed(database: Database, **how: Any) -> Generation:
    """Takes a slot for a generation that must be next, after every card has been sent."""
    answer(database)
    generation = claim(database, **{"slots": 9, **how})
    assert generation is not None
    return generation


def make(database: Database, generation: Generation) -> bool:
    """Stores the image of a call; gives whether it is to be delivered."""
    return GenerationStore(database, "me").made(generation, GeneratedImage(url="https://x/1"), link_expires_at=None)


def count_rows(database: Database, table: Table = requests) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def change(database: Database, *statements: Executable) -> None:
    """Executes statements in one transaction."""
    with database.write() as connection:
        for statement in statements:
            connection.execute(statement)


def add_row(database: Database, table: Table, **values: Any) -> None:
    change(database, table.insert().values(**values))


def answer(database: Database, *, owner: str = "me") -> list[Request]:
    """Shows every request that has not been shown yet, as if its card had been sent."""
    store = RequestStore(database, owner)
    shown = []
    while ids := store.due_requests(limit=100):
        for request_id in ids:
            if claimed := store.claim(request_id, lease=LEASE):
                request, _ = claimed
                answer_id = request.answer_id or f"om_answer_{request.request_id}"
                store.mark_published(request, card_state="queued", last=False, answer_id=answer_id)
                shown.append(request)
    return shown
