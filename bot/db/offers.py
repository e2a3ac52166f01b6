"""What a card offers to draw: words that may ask for an image, and prompts of which one option was wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import RowMapping, select

from bot.db.database import Database
from bot.db.lookups import find_request, store_content
from bot.db.requests import reopen
from bot.db.tables import requests


def offer_of(row: RowMapping) -> Mapping[str, Any]:
    """The prompt and the options that the card of a request offers to draw; empty where it offers nothing."""
    content = json.loads(row["content"])
    if content.get("name") == "confirm":
        return {"prompt": content["argument"], "options": content["options"]}
    offer: Mapping[str, Any] = content.get("offer", {})
    return offer


def result_of(row: RowMapping) -> str | None:
    """What became of the offer: ``drawn`` or ``declined``."""
    result: str | None = json.loads(row["content"]).get("result")
    return result


def find_offer(database: Database, *, chat_id: str, request_id: str) -> RowMapping | None:
    """The request whose card in a chat offers something, whether or not it was settled."""
    with database.read() as connection:
        which = requests.c.request_id == request_id, requests.c.chat_id == chat_id
        row = connection.execute(select(requests).where(*which)).mappings().first()
    return row if row is not None and offer_of(row) else None


def settle_offer(database: Database, request_id: str, result: Literal["drawn", "declined"]) -> None:
    """Stores what became of an offer, and has its card shown without buttons; the first result stays."""
    with database.write() as connection:
        row = find_request(connection, request_id)
        # The message may have been recalled meanwhile.
        if row is None or not offer_of(row) or "result" in (content := json.loads(row["content"])):
            return
        store_content(connection, request_id, {**content, "result": result})
        reopen(connection, request_id)
