"""What commands change, done in the transaction that accepts them: exactly once, however often they are delivered."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from sqlalchemy import Connection, and_, update

from bot.chat.parsing.tokenizer import ADMINS_ONLY
from bot.db.cancellation import cancel
from bot.db.database import Database
from bot.db.generations import resume_images
from bot.db.key_value import pause, resume
from bot.db.locks import change_rows
from bot.db.lookups import unfinished_requests
from bot.db.preferences import Preferences, chosen
from bot.db.tables import requests
from bot.errors import UserError
from bot.models import ChatType
from bot.options import PartialOptions, resolve_options

Result = Mapping[str, Any]


class Place(Protocol):
    """Where a command was given, and by whom."""

    @property
    def chat_id(self) -> str | None:
        """The chat."""

    @property
    def chat_type(self) -> ChatType:
        """Whether others read in the chat."""

    @property
    def sender(self) -> str:
        """The person."""


class Commands:
    """Carries out the commands that change something, and keeps what came of it for their answer.

    Args:
        database: where everything is.
        preferences: what people and chats have set.
        admins: the people who may use the admin's commands.
        styles: every name that a style goes by.
        may_drop_watermark: whether people may ask for a picture without the watermark.
    """

    def __init__(
        self,
        database: Database,
        *,
        preferences: Preferences,
        admins: Collection[str],
        styles: Collection[str],
        may_drop_watermark: bool,
    ) -> None:
        self._database = database
        self._preferences = preferences
        self._admins = admins
        self._styles = styles
        self._may_drop_watermark = may_drop_watermark
        self._changes: Mapping[str, Callable[[Connection, Place, Mapping[str, Any]], Result | UserError]] = {
            "cancel": self._cancel,
            "set": self._set,
            "lang": self._lang,
            "pause": self._pause,
            "resume": self._resume,
            "redownload": self._redownload,
        }

    def perform(
        self, connection: Connection, request_id: str, place: Place, content: Mapping[str, Any]
    ) -> UserError | None:
        """Carries a command out within the caller's transaction.

        Returns:
            Why it could not be, or ``None``.
        """
        name = content["name"]
        if name in ADMINS_ONLY and place.sender not in self._admins:
            return UserError(sentence="command.admins_only")
        change = self._changes.get(name)
        if change is None:
            return None
        result = change(connection, place, content)
        if isinstance(result, UserError):
            return result
        stored = json.dumps({**content, "result": result}, ensure_ascii=False)
        connection.execute(update(requests).where(requests.c.request_id == request_id).values(content=stored))
        return None

    def _cancel(self, connection: Connection, place: Place, content: Mapping[str, Any]) -> Result | UserError:
        own = unfinished_requests(connection, sender=place.sender)
        if not own:
            return UserError(sentence="command.nothing_to_cancel")
        argument = content["argument"]
        number = len(own) if argument == "last" else int(argument or 0)
        if number > len(own):
            return UserError(sentence="command.no_such_number", values={"number": str(number), "most": str(len(own))})
        chosen_ones = own[number - 1 : number] if number else own
        count = cancel(self._database, connection, [one.request_id for one in chosen_ones])
        # What was asked for in another chat is named only where nobody else reads.
        named = [one.request_id for one in chosen_ones if place.chat_type == "p2p" or one.chat_id == place.chat_id]
        return {"count": count, "named": named}

    def _set(self, connection: Connection, place: Place, content: Mapping[str, Any]) -> Result | UserError:
        for_chat = content["argument"] == "chat"
        if for_chat and place.sender not in self._admins:
            return UserError(sentence="command.admins_only")
        subject = place.chat_id if for_chat else place.sender
        typed = PartialOptions.from_stored(content["options"])
        settled = resolve_options(
            typed,
            defaults=self._preferences.defaults_for(connection, person=place.sender, chat=place.chat_id),
            may_drop_watermark=self._may_drop_watermark,
            styles=self._styles,
        )
        if isinstance(settled, UserError):
            return settled
        changes = chosen(typed, settled)
        self._preferences.set(connection, subject or place.sender, changes)
        return {"for_chat": for_chat, "changes": changes}

    def _lang(self, connection: Connection, place: Place, content: Mapping[str, Any]) -> Result:
        self._preferences.set(connection, place.sender, {"language": content["argument"]})
        own = and_(requests.c.sender == place.sender, requests.c.ended_at.is_(None))
        change_rows(connection, requests, own, {"language": content["argument"]})
        return {"language": content["argument"]}

    def _pause(self, connection: Connection, place: Place, _: Mapping[str, Any]) -> Result:
        return {"changed": pause(self._database, connection, by=place.sender)}

    def _redownload(self, connection: Connection, _: Place, content: Mapping[str, Any]) -> Result:
        return {"count": resume_images(self._database, connection, content["argument"])}

    def _resume(self, connection: Connection, _: Place, __: Mapping[str, Any]) -> Result:
        return {"changed": resume(connection)}
