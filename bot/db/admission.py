"""What prompts are decided by when they come, read in one statement: origins, settings and counts."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, bindparam, cast, literal, null, select, union_all

from bot.db.quota_counts import COUNTED, MINUTE, RECENT, QuotaUsage, counted, parameters
from bot.db.tables import preferences, requests


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionState:
    """How things stand for a group of prompts.

    ``known`` are those of their origins that there is a request of, ``chosen`` is what their people and chats have set.
    """

    known: set[str]
    chosen: Mapping[str, Mapping[str, Any]]
    counts: QuotaUsage


def standing(
    connection: Connection,
    *,
    origins: Collection[str],
    people: Collection[str],
    chats: Collection[str],
    month: str,
    day_began: float,
    at: float,
) -> AdmissionState:
    """Reads how things stand; that stays true until the end of a transaction that began with :meth:`Database.enter`.

    Args:
        connection: the transaction to read in.
        origins: of the prompts.
        people: their open ids.
        chats: their chat ids.
        month: such as ``2026-11``.
        day_began: in seconds since 1970.
        at: the time, in seconds since 1970.
    """
    given = {
        **parameters(people, month=month, day_began=day_began),
        "origins": list(origins),
        "subjects": [*people, *chats],
        "lately": at - MINUTE,
    }
    known, chosen, rest = set(), {}, []
    for row in connection.execute(_STANDING, given):
        if row.kind == "known":
            known.add(row.name)
        elif row.kind == "chosen":
            chosen[row.name] = json.loads(row.content)
        else:
            rest.append(row)
    return AdmissionState(known=known, chosen=chosen, counts=counted(rest))


_NOTHING = cast(null(), Text).label("content")
# Put together once, as the statements of ``looks`` are.
_STANDING = union_all(
    select(literal("known").label("kind"), requests.c.dedup_key.label("name"), literal(1), _NOTHING).where(
        requests.c.dedup_key.in_(bindparam("origins", expanding=True))
    ),
    select(literal("chosen"), preferences.c.subject, literal(1), preferences.c.content).where(
        preferences.c.subject.in_(bindparam("subjects", expanding=True))
    ),
    *(one.add_columns(_NOTHING) for one in (*COUNTED, *RECENT)),
)
