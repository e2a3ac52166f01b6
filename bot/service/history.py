"""A page of somebody's history, by days and words, and what the button for older images asks for."""

from __future__ import annotations

from datetime import datetime, tzinfo

from bot.chat.parsing.history_filter import parse_history_filter
from bot.db.database import Database
from bot.db.reports import history_rows
from bot.db.tables import Request, read_row
from bot.models import HistoryEntry, HistoryView
from bot.options import Options
from bot.timings import seconds_of

PAGE = 6


def read_history(database: Database, request: Request, *, zone: tzinfo) -> tuple[HistoryView, str]:
    """The page that a ``/history`` shows, and the argument of the one with the older images, empty without any.

    In a direct chat it covers all of a person's chats. The argument is what was typed, and after a line break where
    the page begins: the time and the index of the last image before it.
    """
    typed, _, cursor = str(request.content.get("argument", "")).partition("\n")
    today = datetime.fromtimestamp(request.accepted_at, zone).date()
    wanted = parse_history_filter(typed, today=today)
    since, until = seconds_of(wanted.first, wanted.last, zone)
    before, _, index = cursor.partition(" ")
    everywhere = request.chat_type == "p2p"
    with database.read() as connection:
        rows = history_rows(
            connection,
            sender=request.sender,
            chat_id=None if everywhere else request.chat_id,
            since=since,
            until=until,
            words=wanted.words.split(),
            before=(float(before), int(index)) if index else (request.accepted_at, -1),
            most=PAGE + 1,
        )
    entries = tuple(read_row(HistoryEntry, row, options=Options.from_stored(row.content)) for row in rows[:PAGE])
    more = len(rows) > PAGE
    following = f"{typed}\n{rows[PAGE - 1].accepted_at!r} {rows[PAGE - 1].index_in_request}" if more else ""
    return HistoryView(entries=entries, filter=typed, everywhere=everywhere, more=more), following
